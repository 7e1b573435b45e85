/** A guest's tree with units, as far as systemctl(1) asks about them. */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

export interface GuestTree extends Disposable {
  readonly root: string;
  readonly write: (path: string, text: string, mode?: number) => void;
  readonly link: (path: string, target: string) => void;
}

/** @param active units that were active at the suspend */
export function guestTree(...active: string[]): GuestTree {
  const root = mkdtempSync(join(tmpdir(), 'ouassister-units-'));
  const at = (path: string) => {
    const place = join(root, path);
    mkdirSync(dirname(place), { recursive: true });
    return place;
  };
  const link = (path: string, target: string) => symlinkSync(target, at(path));
  for (const unit of active) link(`/run/systemd/units/invocation:${unit}`, '0123456789abcdef');
  return {
    root,
    link,
    write: (path, text, mode = 0o644) => writeFileSync(at(path), text, { mode }),
    [Symbol.dispose]: () => rmSync(root, { recursive: true }),
  };
}
