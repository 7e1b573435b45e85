import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { dependencies, modulesInOrder } from './modules.js';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ouassister-zoo-'));
});

afterEach(() => rmSync(folder, { recursive: true }));

function module(name: string, depends: string): string {
  const path = join(folder, `${name}.ko`);
  writeFileSync(path, `\x7fELF\0license=GPL\0depends=${depends}\0name=${name}\0`);
  return path;
}

test('modules come after what they depend on, and what is built in is left out', async () => {
  const files = [
    module('virtio_net', 'net_failover,virtio,virtio-ring'),
    module('net_failover', 'failover'),
    module('failover', ''),
    module('virtio-ring', 'virtio'),
    module('unrelated', ''),
  ];
  const ordered = await modulesInOrder(files, ['virtio_net', 'missing']);
  expect(ordered.map(({ name }) => name)).toEqual(['failover', 'net_failover', 'virtio_ring', 'virtio_net']);
  expect(dependencies(Buffer.from('nothing'))).toEqual([]);
});
