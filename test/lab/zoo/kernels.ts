/** Processor architecture by its Debian name. */
export type DebianArchitecture = 'amd64' | 'arm64';

/** A kernel of the zoo and the virtual machine that it runs on. */
export interface ZooKernel {
  readonly name: string;
  /** Debian release by its code name. */
  readonly suite: string;
  readonly architecture: DebianArchitecture;
  /** Kernel package; the package of one exact build is among its dependencies. */
  readonly kernel: string;
  /** QEMU's `-machine`, without the accelerator. */
  readonly machine: 'pc' | 'q35' | 'virt';
  /** QEMU's `-cpu`. */
  readonly cpu: string;
  readonly cpus: number;
  /** MiB. */
  readonly memory: number;
  /** Added to the kernel command line. */
  readonly append?: string;
  /**
   * Whether its own symbol table has functions only (no CONFIG_KALLSYMS_ALL), so that it needs a profile: one is built
   * from its debug package, some 250 MB.
   */
  readonly needsProfile?: boolean;
  /** How the lines about what its kernel does not tell begin: these differences are the right answer. */
  readonly untold?: readonly string[];
  /** Whether the quick tests use it, too; the others run with `lab zoo`. */
  readonly quick?: boolean;
}

/**
 * Every kernel series of Debian from 11 on in both flavours, and between them everything about a machine that moves
 * the kernel's memory: page-table levels, page-table isolation, KASLR, CPUs, RAM above 4 GiB, the board.
 */
export const zooKernels: readonly ZooKernel[] = [
  {
    ...{
      name: 'bullseye-cloud',
      suite: 'bullseye',
      architecture: 'amd64',
      kernel: 'linux-image-cloud-amd64',
    },
    ...{ machine: 'pc', cpu: 'qemu64', cpus: 1, memory: 512, append: 'pti=on', quick: true },
  },
  {
    ...{ name: 'bullseye-generic', suite: 'bullseye', architecture: 'amd64', kernel: 'linux-image-amd64' },
    ...{ machine: 'q35', cpu: 'max', cpus: 4, memory: 5120, append: 'pti=off' },
  },
  {
    ...{
      name: 'bookworm-cloud',
      suite: 'bookworm',
      architecture: 'amd64',
      kernel: 'linux-image-cloud-amd64',
    },
    ...{ machine: 'q35', cpu: 'max', cpus: 4, memory: 5120, append: 'pti=on' },
  },
  {
    ...{ name: 'bookworm-generic', suite: 'bookworm', architecture: 'amd64', kernel: 'linux-image-amd64' },
    ...{ machine: 'pc', cpu: 'max,la57=off', cpus: 1, memory: 512, append: 'nokaslr' },
  },
  {
    ...{ name: 'trixie-cloud', suite: 'trixie', architecture: 'amd64', kernel: 'linux-image-cloud-amd64' },
    ...{ machine: 'pc', cpu: 'max', cpus: 4, memory: 512, append: 'pti=on', quick: true },
  },
  {
    ...{ name: 'trixie-generic', suite: 'trixie', architecture: 'amd64', kernel: 'linux-image-amd64' },
    ...{ machine: 'q35', cpu: 'max,la57=off', cpus: 1, memory: 5120 },
  },
  {
    ...{ name: 'sid-cloud', suite: 'sid', architecture: 'amd64', kernel: 'linux-image-cloud-amd64' },
    ...{ machine: 'q35', cpu: 'max,la57=off', cpus: 4, memory: 512, append: 'pti=on', quick: true },
  },
  {
    ...{ name: 'sid-generic', suite: 'sid', architecture: 'amd64', kernel: 'linux-image-amd64' },
    ...{ machine: 'pc', cpu: 'max', cpus: 1, memory: 1024 },
  },
  {
    ...{
      name: 'bookworm-arm64',
      suite: 'bookworm',
      architecture: 'arm64',
      kernel: 'linux-image-cloud-arm64',
    },
    ...{ machine: 'virt', cpu: 'cortex-a72', cpus: 2, memory: 512, needsProfile: true },
  },
  {
    ...{
      name: 'bullseye-arm64',
      suite: 'bullseye',
      architecture: 'arm64',
      kernel: 'linux-image-cloud-arm64',
    },
    ...{ machine: 'virt', cpu: 'cortex-a72', cpus: 1, memory: 1024, needsProfile: true },
    // Its VMCOREINFO does not have the kernel's virtual layout, as later ones do.
    untold: ['meminfo: there is no row VmallocTotal', 'files: the kernel 5.10'],
  },
  {
    ...{ name: 'trixie-arm64', suite: 'trixie', architecture: 'arm64', kernel: 'linux-image-cloud-arm64' },
    ...{ machine: 'virt', cpu: 'max,pauth-impdef=on', cpus: 4, memory: 5120 },
  },
  {
    ...{ name: 'trixie-arm64-16k', suite: 'trixie', architecture: 'arm64', kernel: 'linux-image-arm64-16k' },
    ...{ machine: 'virt', cpu: 'max,pauth-impdef=on', cpus: 1, memory: 1024 },
  },
  {
    ...{ name: 'sid-arm64', suite: 'sid', architecture: 'arm64', kernel: 'linux-image-cloud-arm64' },
    ...{ machine: 'virt', cpu: 'cortex-a72', cpus: 1, memory: 512, quick: true },
  },
];
