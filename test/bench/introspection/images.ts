import { basename, dirname, join } from 'node:path';
import { QmpClient } from '../../../src/qemu/qmp.js';
import { cached, recipeHash, type Say } from '../../lab/cache.js';
import { suspendedGuest, TemporaryLab } from '../../lab/suspended.js';

const dumpMs = 900_000;
const NAME = 'guest';

/**
 * Not the lab's own flavour: the cloud kernel has an exception stack of no bytes (it is built without memory encryption),
 * and crash gives up on it.
 */
const kernel = 'linux-image-amd64';

/**
 * The memory of the lab's suspended guest with as much RAM and a generic kernel, saved with `paging=true`: the only kind of QEMU's dump that
 * all of the tools read. Made once and kept in the cache; the first time the guest itself may have to be made.
 *
 * @param memory MiB
 */
export async function pagedImage(memory: number, say: Say): Promise<string> {
  const guest = await suspendedGuest({ memory, recipe: { kernel } }, say);
  const hash = recipeHash(['paged image', basename(dirname(guest.folder))]);
  const folder = await cached('bench', hash, say, async (building) => {
    say(`saving the memory of a guest of ${memory} MiB`);
    await using lab = await TemporaryLab.open(say);
    await lab.copy(guest, NAME);
    const resumed = await lab.resume(NAME, { paused: true });
    using qmp = await QmpClient.connect(resumed.qmp);
    const protocol = `file:${join(building, 'memory.core')}`;
    await qmp.execute('dump-guest-memory', { paging: true, protocol }, { timeoutMs: dumpMs });
  });
  return join(folder, 'memory.core');
}
