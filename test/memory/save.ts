import { setTimeout as sleep } from 'node:timers/promises';
import type { QmpClient } from '../../src/qemu/qmp.js';

const PATIENCE = { timeoutMs: 300_000 };

/** `dump-guest-memory` of a paused VM. */
export async function dump(qmp: QmpClient, path: string, options: Record<string, unknown>): Promise<void> {
  await qmp.execute('dump-guest-memory', { paging: false, protocol: `file:${path}`, ...options }, PATIENCE);
}

/** `migrate` of a paused VM into a file. The path needs no quoting. */
export async function migrate(qmp: QmpClient, path: string): Promise<void> {
  await qmp.execute('migrate', { uri: `exec:cat > ${path}` });
  for (let waited = 0; waited < PATIENCE.timeoutMs; waited += 50) {
    const { status } = await qmp.execute('query-migrate');
    if (status === 'completed') return;
    if (status === 'failed') break;
    await sleep(50);
  }
  throw new Error('the migration failed');
}
