import { markdownTable } from '../base/markdown.js';
import type { SyscallEntry } from './listing.js';
import { abis } from './numbers.js';
import { features } from './row.js';

/** The text of docs/syscalls.md; it is made from the table's entries, so that it cannot say anything else. */
export function syscallsPage(entries: readonly SyscallEntry[]): string {
  return `# System calls

What the engine does with the system calls of what it traces. This page is generated from the table in
\`src/tracer/syscalls.ts\`, from which the seccomp filter is made, too; a test fails when the two differ.
\`ouassister syscalls\` prints the same, \`ouassister syscalls --json\` for programs.

**All other calls** go straight to the kernel. The filter names the calls below by number and, where a condition
stands, by the value of an argument; the kernel lets every other call run without a stop, so that it costs nothing
that can be measured. It is answered by the host's kernel inside the sandbox's namespaces.

**Stops** says where the caller stops for the engine: at the call's entry, at its exit, at both, or never, when the filter
answers alone. A condition looks at the low 32 bits of an argument, counted from 0. Of a call's rows the first one
counts that belongs to the run and whose conditions all hold; a call without such a row goes straight to the kernel.

**Answered by** _constant_: the shim, in C, from what it was given before the run, without waking JavaScript. _handler_: a
function in JavaScript, while the caller waits. _kernel_: the call runs; the shim looks at it and may correct the
result. The name of an errno: the filter, always with this errno.

**Support** is one of

- **full**: a program cannot tell the result from that of the kernel which is stood in for.
- **partial**: as full, less what the note names.
- **refused**: the call fails, always, and on purpose.

Which rows a run has depends on what is wanted of it ([the engine](tracer.md)). Calls of an architecture that the
filter was not made for (32-bit ARM programs on aarch64) fail with ENOSYS, all of them.

${sections(entries)}## Numbers

As the kernel's headers give them; a test compares. Numbers of x32 are without its bit, 0x40000000. x86-64 and i386
programs run in the tests; of x32, which Debian's kernels do not run, and of aarch64 the filter is tested
against an interpreter of BPF.

${markdownTable(['Call', ...abis], numbers(entries))}`;
}

function sections(entries: readonly SyscallEntry[]): string {
  return Object.entries(features)
    .map(([feature, when]) => ({ when, rows: entries.filter((entry) => entry.feature === feature) }))
    .filter(({ rows }) => rows.length > 0)
    .map(({ when, rows }) => `## ${when.charAt(0).toUpperCase()}${when.slice(1)}\n\n${section(rows)}\n`)
    .join('');
}

const section = (entries: readonly SyscallEntry[]) =>
  markdownTable(
    ['Call', 'Stops', 'Condition', 'Answered by', 'What happens', 'Support', 'Note'],
    entries.map(({ name, stops, when, answeredBy, does, support, note }) => [
      `\`${name}\``,
      stops,
      when.map((condition) => `\`${condition}\``).join(' and '),
      answeredBy,
      does,
      support,
      prose(note),
    ]),
  );

/** Notes are plain text. */
const prose = (note: string) => note.replace(/[*<\\]/g, '\\$&');

function numbers(entries: readonly SyscallEntry[]): string[][] {
  const byName = new Map(entries.map((entry) => [entry.name, entry.numbers]));
  return [...byName].map(([name, of]) => [`\`${name}\``, ...abis.map((abi) => String(of[abi] ?? '-'))]);
}
