import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { plugDisk } from '../../src/transport/hot-plug.js';
import type { QmpClient } from '../../src/qemu/qmp.js';
import { BareVm } from '../qemu/bare-vm.js';

let vm: BareVm;
let qmp: QmpClient;
afterEach(() => vm[Symbol.asyncDispose]());

async function start(...options: string[]): Promise<void> {
  vm = await BareVm.start(...options);
  qmp = vm.qmp;
}

describe('a disk', () => {
  const image = () => {
    const path = join(vm.folder, 'image');
    writeFileSync(path, Buffer.alloc(1 << 20));
    return path;
  };
  const devices = async () =>
    (await qmp.execute('qom-list', { path: '/machine/peripheral' })).map(({ name }) => name);

  test('goes into any slot of a PCI machine', async () => {
    await start('-machine', 'pc');
    await plugDisk(qmp, image(), 'oua-test');
    expect(await devices()).toContain('oua-test');
  });

  test('goes into an empty root port of a PCI Express machine', async () => {
    await start(
      ...[
        '-machine',
        'q35',
        '-device',
        'pcie-root-port,id=full,chassis=1',
        '-device',
        'virtio-rng-pci,bus=full',
      ],
      ...['-device', 'pcie-root-port,id=spare,chassis=2'],
    );
    await plugDisk(qmp, image(), 'oua-test');
    expect(await devices()).toContain('oua-test');
    expect(
      await qmp.execute('qom-get', { path: '/machine/peripheral/oua-test', property: 'parent_bus' }),
    ).toMatch(/spare/);
  });

  test('that has no slot is refused, and its image let go', async () => {
    await start('-machine', 'q35');
    await expect(plugDisk(qmp, image(), 'oua-test')).rejects.toMatchObject({
      code: 'VM_REFUSED',
      hint: expect.stringContaining('pcie-root-port') as string,
    });
    const nodes = (await qmp.execute('query-named-block-nodes')).map((node) => node['node-name']);
    expect(nodes).not.toContain('oua-test');
  });
});
