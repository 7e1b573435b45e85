import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { buildRpms, type RpmSource } from '../../../lab/rpms.js';

/** Builds a package for a test; returns its file. */
export async function buildRpm(folder: string, source: RpmSource): Promise<string> {
  const scratch = join(folder, 'scratch');
  mkdirSync(scratch, { recursive: true });
  await buildRpms([source], join(folder, 'repository'), scratch, () => {});
  const version = /^Version: (.*)$/m.exec(source.spec)![1]!;
  return join(folder, 'repository', `${source.name}-${version}.rpm`);
}

/** Runs the host's rpm on a database in a directory: no scriptlet, no file, only what is written to the database. */
export function toDatabase(directory: string, ...args: string[]): void {
  mkdirSync(directory, { recursive: true });
  execFileSync('rpm', [
    '--force-debian',
    '--justdb',
    '--noscripts',
    '--notriggers',
    '--nodeps',
    '--dbpath',
    directory,
    ...args,
  ]);
}

/** A package with every kind of scriptlet that rpm 4.18 knows. */
export const everyKind: RpmSource = {
  name: 'every-kind',
  spec: `Name: every-kind
Epoch: 3
Version: 1.0
Release: 2
Summary: A test
License: MIT
BuildArch: noarch
AutoReqProv: no
%description
A test.
%install
mkdir -p %{buildroot}/opt/every-kind
touch %{buildroot}/opt/every-kind/file
%files
/opt/every-kind
%pretrans -p <lua>
print("pretrans")
%pre
echo pre
%post -p /usr/bin/perl
print "post";
%preun -p /sbin/ldconfig
%postun
echo postun
%posttrans
echo posttrans
%triggerprein -- other
echo triggerprein
%triggerin -p /bin/bash -- other < 2, third
echo triggerin
%triggerun -- other
echo triggerun
%triggerpostun -- other
echo triggerpostun
%filetriggerin -- /opt /srv
echo filetriggerin
%filetriggerun -- /opt
echo filetriggerun
%filetriggerpostun -- /opt
echo filetriggerpostun
%transfiletriggerin -- /opt
echo transfiletriggerin
%transfiletriggerun -- /opt
echo transfiletriggerun
%transfiletriggerpostun -- /opt
echo transfiletriggerpostun
`,
};
