// latin1 maps each byte to one character and back: paths need not be UTF-8.
const text = (bytes: Buffer) => bytes.toString('latin1');
const bytes = (path: string) => Buffer.from(path, 'latin1');

/** How an exec call names its program. */
export interface ProgramName {
  readonly path: Buffer;
  /** What a relative path starts from, absolute; for an empty path: the program itself. */
  readonly base: Buffer;
  /** The tracee's root directory, absolute. */
  readonly root: Buffer;
}

/** The program's path inside the tracee's root, `..` and links left for the kernel to resolve. */
export function pathInRoot({ path, base, root }: ProgramName): Buffer {
  const given = text(path);
  if (given.startsWith('/')) return path;
  const top = text(root) === '/' ? '' : text(root);
  const start = text(base);
  return bytes(`${start.startsWith(`${top}/`) ? start.slice(top.length) : '/'}/${given}`);
}
