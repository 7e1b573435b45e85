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

\`stat -f /proc\` shows FUSE and not procfs, and the entries of a tracee's own directory are links
(\`readlink /proc/self/exe\` is corrected by the tracer).

Sources are paths in the Linux source tree, as of 6.1.

${markdownTable(head, rowsOf('/proc', procTable))}
## \`/sys\`

Of \`/sys\` there is what lsmod and modprobe ask, served by the same means (\`src/shadow/proc/sysfs.ts\`) and without a record of
who looked. Nothing else of it exists, and nothing in it can be written.

${markdownTable(head, rowsOf('/sys', sysTable))}`;
}
