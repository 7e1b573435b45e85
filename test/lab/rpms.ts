import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Say } from './cache.js';
import { tool } from './tools.js';

/** Where the RPM repository lies in the guest. */
export const localRepository = '/var/local/rpms';

/** What makes dnf(8) on Debian work as on its own distributions, and nothing else but the local repository be asked. */
export const rpmFiles = {
  // Debian's rpm keeps its database in the home directory otherwise.
  'etc/rpm/macros': '%_dbpath /var/lib/rpm\n',
  'etc/yum.repos.d/local.repo': `[local]\nname=local\nbaseurl=file://${localRepository}\ngpgcheck=0\n`,
  'etc/dnf/dnf.conf': '[main]\ngpgcheck=0\ninstallonly_limit=3\nclean_requirements_on_remove=True\n',
} as const;

/** One source of RPM packages: a spec file, rpm-spec(5). */
export interface RpmSource {
  readonly name: string;
  readonly spec: string;
}

const head = (name: string, version: string, more = '') =>
  `Name: ${name}
Version: ${version}
Release: 1
Summary: A package of the lab
License: MIT
BuildArch: noarch
AutoReqProv: no
${more}
%description
A package of the lab.
`;

/** Stands for what the guest has from Debian's packages. */
const base: RpmSource = {
  name: 'lab-base',
  spec: `${head('lab-base', '1', ['/bin/sh', '/sbin/ldconfig', '/usr/bin/perl'].map((path) => `Provides: ${path}`).join('\n'))}
%files
`,
};

/** A service with a user of its own; its scriptlets are those of Fedora's systemd macros before systemd 250. */
const service = (version: string): RpmSource => ({
  name: 'lab-service',
  spec: `${head('lab-service', version)}
%install
mkdir -p %{buildroot}/usr/lib/systemd/system %{buildroot}/etc %{buildroot}/usr/share/lab-service
cat >%{buildroot}/usr/lib/systemd/system/lab-service.service <<'END'
[Unit]
Description=A service of the lab, version ${version}
[Service]
ExecStart=/bin/sleep infinity
[Install]
WantedBy=multi-user.target
END
echo 'version = ${version}' >%{buildroot}/etc/lab-service.conf
echo ${version} >%{buildroot}/usr/share/lab-service/version
%files
/usr/lib/systemd/system/lab-service.service
%config(noreplace) %attr(0640, root, labsvc) /etc/lab-service.conf
/usr/share/lab-service
%pre
getent group labsvc >/dev/null || groupadd -r labsvc
getent passwd labsvc >/dev/null || useradd -r -g labsvc -d / -s /usr/sbin/nologin labsvc
exit 0
%post
if [ $1 -eq 1 ]; then
  systemctl --no-reload preset lab-service.service >/dev/null 2>&1 || :
  systemctl daemon-reload
  systemctl start lab-service.service
fi
%preun
if [ $1 -eq 0 ]; then
  systemctl --no-reload disable --now lab-service.service >/dev/null 2>&1 || :
fi
%postun
systemctl daemon-reload >/dev/null 2>&1 || :
if [ $1 -ge 1 ]; then
  systemctl try-restart lab-service.service >/dev/null 2>&1 || :
fi
`,
});

/** Hears of the others: triggers of each kind, and file triggers. */
const watcher: RpmSource = {
  name: 'lab-watcher',
  spec: `${head('lab-watcher', '1')}
%install
mkdir -p %{buildroot}/var/lib/lab-watcher
%files
/var/lib/lab-watcher
%triggerprein -- lab-service, lab-data
echo triggerprein $1 $2 >>/var/lib/lab-watcher/log
%triggerin -- lab-service, lab-data
echo triggerin $1 $2 >>/var/lib/lab-watcher/log
%triggerun -- lab-service, lab-data
echo triggerun $1 $2 >>/var/lib/lab-watcher/log
%triggerpostun -- lab-service, lab-data
echo triggerpostun $1 $2 >>/var/lib/lab-watcher/log
%filetriggerin -- /usr/share/lab-data
cat >>/var/lib/lab-watcher/files-in
%filetriggerun -- /usr/share/lab-data
cat >>/var/lib/lab-watcher/files-un
%transfiletriggerin -- /usr/share/lab-data /usr/share/lab-service
sort >/var/lib/lab-watcher/index
%transfiletriggerpostun -- /usr/share/lab-data
ls /usr/share/lab-data >/var/lib/lab-watcher/left 2>/dev/null || :
`,
};

/** Nothing but files of all kinds; its scriptlets have other interpreters than the shell. */
const data = (version: string): RpmSource => ({
  name: 'lab-data',
  spec: `${head('lab-data', version)}
%install
mkdir -p %{buildroot}/usr/share/lab-data
echo ${version} >%{buildroot}/usr/share/lab-data/version
ln %{buildroot}/usr/share/lab-data/version %{buildroot}/usr/share/lab-data/version-too
ln -s version %{buildroot}/usr/share/lab-data/link
%files
/usr/share/lab-data
%pretrans -p <lua>
local file = io.open("/var/lib/lab-data-pretrans", "w")
file:write("${version}")
file:close()
%post -p /usr/bin/perl
open(my $file, '>', '/var/lib/lab-data-post') or die;
print $file "perl @ARGV\\n";
%postun -p /sbin/ldconfig
%posttrans
echo posttrans $1 >/var/lib/lab-data-posttrans
`,
});

/** Mounts something, which only its guest can do. */
const mounter: RpmSource = {
  name: 'lab-mounter',
  spec: `${head('lab-mounter', '1')}
%install
mkdir -p %{buildroot}/srv/lab-mounter
%files
/srv/lab-mounter
%pre
echo pre $1 >/var/lib/lab-mounter-pre
%post
mount -t tmpfs none /srv/lab-mounter && umount /srv/lab-mounter || exit 1
echo post $1 $(stat -c %a "$0") >/var/lib/lab-mounter-post
`,
};

export const rpmSources: readonly RpmSource[] = [
  base,
  service('1'),
  service('2'),
  watcher,
  data('1'),
  data('2'),
  mounter,
];

/** In the guest from the start, in this version. */
export const installedRpms: readonly string[] = [
  'lab-base-1',
  'lab-service-1',
  'lab-watcher-1',
  'lab-data-1',
];

/**
 * Builds packages with rpmbuild(8) and a repository of them with createrepo_c(8).
 *
 * @param repository where the packages are put
 */
export async function buildRpms(
  sources: readonly RpmSource[],
  repository: string,
  scratch: string,
  say: Say,
): Promise<void> {
  await mkdir(repository, { recursive: true });
  for (const [index, { name, spec }] of sources.entries()) {
    say(`making the RPM package ${name}`);
    const file = join(scratch, `${index}.spec`);
    await writeFile(file, spec);
    const macros = {
      _topdir: join(scratch, 'rpmbuild'),
      _rpmdir: repository,
      _build_name_fmt: '%%{NAME}-%%{VERSION}.rpm',
    };
    const defines = Object.entries({ ...macros, _dbpath: join(scratch, 'rpmdb') });
    await tool('rpmbuild', [
      ...['-bb', '--quiet'],
      ...defines.map(([key, value]) => `--define=${key} ${value}`),
      file,
    ]);
  }
  await tool('createrepo_c', ['--quiet', repository]);
}
