import { isolate } from '../../src/isolation/qmp-filter.js';
import { BareVm } from '../qemu/bare-vm.js';
import type { QmpClient } from '../../src/qemu/qmp.js';

let vm: BareVm;
let qmp: QmpClient;
afterEach(() => vm[Symbol.asyncDispose]());

async function start(...options: string[]): Promise<void> {
  vm = await BareVm.start(...options);
  qmp = vm.qmp;
}

const filters = async () =>
  (await qmp.execute('qom-list', { path: '/objects' }))
    .map(({ name }) => name)
    .filter((name) => name.startsWith('oua'));
const chardevs = async () => (await qmp.execute('query-chardev')).map(({ label }) => label);

test('every network of a VM is cut off in both directions, and given back', async () => {
  await start(
    ...['-netdev', 'user,id=first', '-device', 'virtio-net-pci,netdev=first,id=nic'],
    ...['-netdev', 'user,id=second', '-device', 'e1000,netdev=second'],
    ...['-nic', 'user,model=rtl8139', '-netdev', 'user,id=unused'],
  );
  const isolation = await isolate(qmp);
  expect(isolation.networks).toEqual(expect.arrayContaining(['first', 'second']));
  expect(isolation.networks).toHaveLength(3);
  for (const [index, netdev] of isolation.networks.entries()) {
    const path = `/objects/oua-filter-${index}`;
    const read = (property: string) => qmp.execute('qom-get', { path, property });
    expect([await read('netdev'), await read('queue'), await read('status')]).toEqual([netdev, 'all', 'on']);
  }
  await isolation.lift();
  expect(await filters()).toEqual([]);
  expect((await chardevs()).filter((label) => label.startsWith('oua'))).toEqual([]);
});

test('what a failed run left in place is taken over', async () => {
  await start('-netdev', 'user,id=net0', '-device', 'virtio-net-pci,netdev=net0');
  await isolate(qmp);
  const isolation = await isolate(qmp);
  expect(await filters()).toEqual(['oua-filter-0']);
  await isolation.lift();
  expect(await filters()).toEqual([]);
});

test('what a failed run left in place is left in place by one that has done nothing', async () => {
  await start('-netdev', 'user,id=net0', '-device', 'virtio-net-pci,netdev=net0');
  const first = await isolate(qmp);
  const second = await isolate(qmp);
  expect(await second.undo()).toBe(false);
  expect(await filters()).toEqual(['oua-filter-0']);
  await first.lift();
  const third = await isolate(qmp);
  expect(await third.undo()).toBe(true);
  expect(await filters()).toEqual([]);
  expect((await chardevs()).filter((label) => label.startsWith('oua'))).toEqual([]);
});

test('a VM without a network needs nothing', async () => {
  await start();
  const isolation = await isolate(qmp);
  expect(isolation.networks).toEqual([]);
  expect((await chardevs()).filter((label) => label.startsWith('oua'))).toEqual([]);
  await isolation.lift();
});

test('a filter that is not as it should be is an error before the VM runs', async () => {
  await start('-netdev', 'user,id=net0', '-device', 'virtio-net-pci,netdev=net0');
  await isolate(qmp);
  await qmp.execute('object-del', { id: 'oua-filter-0' });
  await qmp.execute('object-add', {
    'qom-type': 'filter-redirector',
    id: 'oua-filter-0',
    netdev: 'net0',
    queue: 'rx',
    outdev: 'oua-filter-0-sink',
  });
  await expect(isolate(qmp)).rejects.toMatchObject({ code: 'VM_REFUSED' });
});
