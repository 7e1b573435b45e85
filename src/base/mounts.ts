import { readFileSync } from 'node:fs';

/** Whether something is mounted at exactly `path` (absolute, without links) in our mount namespace. */
export function isMountPoint(path: string): boolean {
  return readFileSync('/proc/self/mountinfo', 'latin1')
    .split('\n')
    .some((line) => unescapeMountField(line.split(' ')[4] ?? '') === path);
}

/** Decodes the octal escapes that proc_pid_mountinfo(5) uses for blanks, newlines and backslashes. */
export function unescapeMountField(field: string): string {
  const bytes = field.replace(/\\([0-7]{3})/g, (_, octal: string) =>
    String.fromCharCode(Number.parseInt(octal, 8)),
  );
  return Buffer.from(bytes, 'latin1').toString();
}
