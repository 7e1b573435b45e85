/** Readers of what a guest printed about itself: `test/lab/captures.ts`. */

/** `all-<file>`: the text of each process's file, by pid. */
export function byPid(text: string): Map<number, string> {
  const files = new Map<number, string>();
  for (const part of text.split(/^== /m).slice(1)) {
    const newline = part.indexOf('\n');
    files.set(Number(part.slice(0, newline)), part.slice(newline + 1).replace(/\n$/, ''));
  }
  return files;
}

/** The fields of a `/proc/<pid>/stat` line, numbered from 1 as in proc(5). */
export function statFields(line: string): string[] {
  const open = line.indexOf('(');
  const close = line.lastIndexOf(')');
  return [
    '',
    line.slice(0, open - 1),
    line.slice(open + 1, close),
    ...line
      .slice(close + 2)
      .trim()
      .split(' '),
  ];
}

/** `Name:\tvalue` lines. */
export function keyed(text: string): Map<string, string> {
  const values = new Map<string, string>();
  for (const line of text.split('\n')) {
    const colon = line.indexOf(':');
    if (colon > 0) values.set(line.slice(0, colon), line.slice(colon + 1).trim());
  }
  return values;
}

/** `a.b = value` lines of `sysctl -a`, by path; several lines of one name are one value. */
export function sysctlValues(text: string): Map<string, string> {
  const values = new Map<string, string>();
  for (const line of text.split('\n')) {
    const equals = line.indexOf(' = ');
    if (equals < 0) continue;
    // sysctl(8) swaps `.` and `/`: an interface's own dot is printed as a slash.
    const path = line.slice(0, equals).replace(/[./]/g, (char) => (char === '.' ? '/' : '.'));
    const value = line.slice(equals + 3);
    const known = values.get(path);
    values.set(path, known === undefined ? value : `${known}\n${value}`);
  }
  return values;
}
