import { recipeHash } from './cache.js';
import type { Mirrors } from './mirrors.js';
import { installedRpms, rpmFiles, rpmSources, type RpmSource } from './rpms.js';

/** What a guest image is made of. Everything that `up` leaves out comes from {@link defaultRecipe}. */
export interface Recipe {
  /** Debian release by its code name. */
  readonly suite: string;
  /** Kernel package. */
  readonly kernel: string;
  /** Packages beyond the base system. */
  readonly packages: readonly string[];
  /** One root partition in a GPT, or a file system on the whole disk. */
  readonly layout: 'gpt' | 'whole-disk';
  /** Packages that shall have an upgrade pending: where the archives have none, the local archive gets one. */
  readonly pending: readonly string[];
  /** Packages that get an upgrade in the local archive in any case. */
  readonly repacked: readonly string[];
  /** Makes the local archive the guest's only one, so that updates in it need no network. */
  readonly archive?: ArchiveWish;
  /** Packages of the base system that are purged again at the end. */
  readonly without?: readonly string[];
  /** dnf and rpm, with a repository of the lab's own packages, of which some are installed. */
  readonly rpm?: boolean;
  /** Settings of the guest's administrator. */
  readonly settings?: GuestFiles;
}

/** What a guest's only archive holds. */
export interface ArchiveWish {
  /**
   * `install`: some packages with all that they need, and those that the guest has in the version that it has.
   * `upgrade`: a later version of each package, with all that this needs, and every upgrade that Debian has.
   */
  readonly for: 'install' | 'upgrade';
  readonly packages: readonly string[];
}

export const defaultRecipe: Recipe = {
  suite: 'bookworm',
  kernel: 'linux-image-cloud-amd64',
  packages: [],
  layout: 'gpt',
  pending: ['openssl', 'libssl3'],
  repacked: ['less'],
};

/** A file to put into the guest: path below `/`, and its text. */
export type GuestFiles = Readonly<Record<string, string>>;

/** A recipe worked out: all that the build reads, so that its hash changes whenever the result would. */
export interface ImagePlan {
  readonly recipe: Recipe;
  readonly mirrors: Mirrors;
  /** `mmdebstrap --include`. */
  readonly include: readonly string[];
  /** One line of sources.list(5): what the guest is built from, without the security archive. */
  readonly buildSource: string;
  /** Files that must be there before the kernel is installed. */
  readonly early: GuestFiles;
  /** Files that are put in at the end. */
  readonly late: GuestFiles;
  /** Shell commands run in the finished tree. */
  readonly commands: readonly string[];
  /** RPM packages of the local repository, and those of them that are installed. */
  readonly rpms?: { readonly sources: readonly RpmSource[]; readonly installed: readonly string[] };
  readonly diskMiB: number;
}

/** Where the local archive lies in the guest. */
export const localArchive = '/var/local/archive';

const keyring = '/usr/share/keyrings/debian-archive-keyring.gpg';

const baseSystem = [
  'systemd-sysv',
  'udev',
  'dbus',
  'qemu-guest-agent',
  'ca-certificates',
  'curl',
  'iproute2',
  'kmod',
  'less',
  'netbase',
  'openssl',
  'procps',
  'zstd',
];

/** Timers and boot jobs that would take apt's lock, or the boot's time, at a moment of their own choosing. */
const unwantedUnits = [
  'apt-daily.timer',
  'apt-daily-upgrade.timer',
  'dpkg-db-backup.timer',
  'e2scrub_all.timer',
  'e2scrub_reap.service',
  'fstrim.timer',
  'systemd-networkd-wait-online.service',
];

export function planImage(recipe: Recipe, mirrors: Mirrors): ImagePlan {
  return {
    recipe,
    mirrors,
    include: [recipe.kernel, ...baseSystem, ...(recipe.rpm ? ['rpm', 'dnf'] : []), ...recipe.packages],
    buildSource: `deb [signed-by=${keyring}] ${mirrors.main} ${recipe.suite} main`,
    early: {
      // Only what the disk of a lab guest needs: the emulated CPU unpacks the initrd at every boot.
      'etc/initramfs-tools/conf.d/lab': 'MODULES=list\n',
      'etc/initramfs-tools/modules': 'virtio_pci\nvirtio_blk\next4\n',
    },
    late: {
      'etc/hostname': 'guest\n',
      'etc/hosts': '127.0.0.1 localhost\n127.0.1.1 guest\n::1 localhost ip6-localhost ip6-loopback\n',
      // The resolver of QEMU's user network.
      'etc/resolv.conf': 'nameserver 10.0.2.3\n',
      'etc/systemd/network/20-wired.network': '[Match]\nName=en*\n\n[Network]\nDHCP=ipv4\nIPv6AcceptRA=no\n',
      'etc/apt/apt.conf.d/90lab': mirrors.aptOptions.map((line) => line + '\n').join(''),
      'etc/apt/sources.list.d/debian.sources': debianSources(recipe.suite, mirrors),
      'etc/apt/sources.list.d/local-archive.sources': `Types: deb\nURIs: file:${localArchive}\nSuites: ./\nTrusted: yes\n`,
      ...(recipe.rpm ? rpmFiles : {}),
      ...recipe.settings,
    },
    commands: [
      'systemctl enable systemd-networkd.service',
      `systemctl disable ${unwantedUnits.join(' ')}`,
      'passwd --delete root',
      ...(recipe.without?.length ? [`apt-get -y purge ${recipe.without.join(' ')}`] : []),
    ],
    ...(recipe.rpm && { rpms: { sources: rpmSources, installed: installedRpms } }),
    diskMiB: 4096,
  };
}

/** Names the image of a plan in the cache. */
export function imageHash(plan: ImagePlan): string {
  return recipeHash(plan);
}

function debianSources(suite: string, { main, security }: Mirrors): string {
  const stanza = (uri: string, suites: string) =>
    `Types: deb\nURIs: ${uri}\nSuites: ${suites}\nComponents: main\nSigned-By: ${keyring}\n`;
  const stanzas = [stanza(main, `${suite} ${suite}-updates`)];
  if (security !== undefined) stanzas.push(stanza(security, `${suite}-security`));
  return stanzas.join('\n');
}
