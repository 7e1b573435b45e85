import { readdirSync, readFileSync, readlinkSync, realpathSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';

/** SO_ACCEPTCON in the flags of /proc/net/unix: somebody listens there. */
const listening = 0x10000;

/**
 * The process that listens on a Unix socket, or undefined when it is not to be found: in another mount or pid
 * namespace, or when its open files may not be looked at. QMP itself does not tell it.
 */
export function listenerOf(path: string): number | undefined {
  const wanted = join(realpathSync(dirname(path)), basename(path));
  const sockets = new Map<string, string>();
  for (const row of readFileSync('/proc/net/unix', 'utf8').split('\n')) {
    const fields = row.trim().split(/ +/);
    const bound = fields.slice(7).join(' ');
    if (Number.parseInt(fields[3] ?? '0', 16) & listening && basename(bound) === basename(path))
      sockets.set(`socket:[${fields[6]}]`, bound);
  }
  if (sockets.size === 0) return undefined;
  return readdirSync('/proc')
    .map(Number)
    .find((pid) => pid > 0 && holdsSocket(pid, sockets, wanted));
}

function holdsSocket(pid: number, sockets: ReadonlyMap<string, string>, wanted: string): boolean {
  try {
    return readdirSync(`/proc/${pid}/fd`).some((fd) => {
      const bound = sockets.get(linkOf(`/proc/${pid}/fd/${fd}`) ?? '');
      // A relative path was meant from the process's own folder.
      return bound !== undefined && realPath(resolve(readlinkSync(`/proc/${pid}/cwd`), bound)) === wanted;
    });
  } catch {
    // It ended meanwhile, or is not ours to look at.
    return false;
  }
}

function linkOf(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}

function realPath(path: string): string {
  return join(realpathSync(dirname(path)), basename(path));
}
