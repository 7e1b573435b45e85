import { markdownTable } from '../../base/markdown.js';
import type { ProcRow } from './row.js';
import { sysTable } from './sysfs.js';
import { procTable } from './table.js';

/** The text of docs/proc.md; it is made from the table, so that it cannot say anything else. */
export function procPage(): string {
  const rowsOf = (mount: string, table: readonly ProcRow[]) =>
    table.map(({ path, source, state, note }) => [`\`${mount}/${path}\``, source, state, note]);
  const head = ['Path', 'Source', 'State', 'Note'];
  return `# The shadow \`/proc\`

What a program of the update sees under \`/proc\`, one row a file or a family of files. This page is generated
from the table in \`src/shadow/proc/table.ts\`; a test fails when the two differ.

- **full**: the guest kernel's own text, from the guest's memory.
- **partial**: as full, less what the note names.
- **absent**: a guest has it, we do not show it. A program gets ENOENT, and the attempt is in the plan.

\`[pid]\` stands for each process of the guest. \`[tracee]\` stands for each process of the sandbox, and
\`task/[tid]\` in it for each of its threads; the tracee's own entries are links into a procfs of the sandbox that is
mounted below a hidden name, all others are the guest's. The sandbox's processes have numbers above the guest's
highest. Where a number is in use on both sides a program finds the tracee, but pid 1 is always the guest's.

Nothing is ever taken from the host's \`/proc\`: what is not listed here does not exist. Every name that is looked up
is recorded with its reader, found or not. Opening a file for writing fails with EROFS and making one with EACCES, and
both are recorded: a sysctl of a suspended kernel cannot be set, and EROFS is what \`/proc/sys\` gives in containers, so
that \`sysctl\` and \`systemd-sysctl\` know it. Files of the tracee's own directory (\`oom_score_adj\`, \`comm\`, …) can be written.

The entries of a tracee's own directory are links (\`readlink /proc/self/exe\` is corrected by the tracer, and so is
statfs(2), which gives procfs's type and not FUSE's).

## What programs print

\`ps\`, \`pgrep\`, \`lsmod\`, \`mount\`, \`findmnt\`, \`ss\`, \`free\`, \`uptime\` and \`sysctl -a\` print in the shadow root what they
print in the guest; a test compares them with what a guest printed a moment before it was suspended. Where they differ:

- \`ps\` shows \`?\` for a terminal, because it looks for the device in \`/dev\`, and the sandbox has a \`/dev\` of its own.
- \`ss\` takes what it shows from \`/proc/net\`, because netlink would tell of the host. These files name no peer of a unix socket,
  no device that a socket is bound to, and no room of a listener's queue (\`Send-Q\`).
- \`sysctl -a\` lacks some 40 of 950 values, and those of \`binfmt_misc\`: those that a function of the kernel works out and that no
  row of \`src/guest/sysctl-computed.ts\` knows. The test names them.
- \`mount\` and \`findmnt\` lack the options of their own that ext4, autofs and other file systems in modules have.
- \`dmesg\` is refused with EPERM. \`ouassister inspect --only log\` prints the guest's.
- \`lsof\` and \`needrestart\` run. Both compare what \`maps\` and \`fd\` name with stat(2) of the file, and the shadow root, an overlay, has
  another device number than the guest's disk: \`needrestart\` therefore calls every service outdated. What it would start again is not.
- \`ischroot\` says that it is in none, as in the guest.
- The clock is the host's, so that \`uptime\` prints its time.

\`ouassister inspect --proc PATH\` prints any file of the table without a sandbox.

## \`/proc\`

Sources are paths in the Linux source tree, as of 6.1.

${markdownTable(head, rowsOf('/proc', procTable))}
## \`/sys\`

Of \`/sys\` there is what lsmod and modprobe ask, served by the same means (\`src/shadow/proc/sysfs.ts\`) and without a record of
who looked. Nothing else of it exists, and nothing in it can be written.

${markdownTable(head, rowsOf('/sys', sysTable))}`;
}
