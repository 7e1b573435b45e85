import { OuaError } from '../base/errors.js';
import type { QmpClient } from '../qemu/qmp.js';

/** How long a guest may take to let go of a disk. */
const unplugMs = 30_000;

/** A port that takes one PCI Express device; libvirt and people give them ids. */
const portType = /^child<(pcie-root-port|ioh3420|xio3130-downstream)>$/;

/**
 * Plugs a raw image into a VM as a read-only virtio disk. Disposing of it unplugs it again.
 *
 * @param serial the disk's serial number, by which the guest finds it; at most 20 characters
 * @throws OuaError `VM_REFUSED`.
 */
export async function plugDisk(qmp: QmpClient, image: string, serial: string): Promise<AsyncDisposable> {
  const file = { driver: 'file', filename: image, 'read-only': true };
  await qmp.execute('blockdev-add', { driver: 'raw', 'node-name': serial, 'read-only': true, file });
  try {
    await addDevice(qmp, serial);
  } catch (error) {
    await qmp.execute('blockdev-del', { 'node-name': serial });
    throw error;
  }
  return {
    [Symbol.asyncDispose]: async () => {
      await removeDevice(qmp, serial);
      await qmp.execute('blockdev-del', { 'node-name': serial });
    },
  };
}

/** On a PCI machine any slot will do; on a PCI Express one it must be an empty root port. */
async function addDevice(qmp: QmpClient, serial: string): Promise<void> {
  const device = { driver: 'virtio-blk-pci', id: serial, drive: serial, serial };
  const refusals: string[] = [];
  for (const bus of [undefined, ...(await emptyPorts(qmp))]) {
    try {
      await qmp.execute('device_add', { ...device, ...(bus !== undefined && { bus }) });
      return;
    } catch (error) {
      if (!(error instanceof OuaError) || error.code !== 'VM_REFUSED') throw error;
      refusals.push(error.message);
    }
  }
  throw new OuaError(
    'VM_REFUSED',
    `no disk can be plugged into the VM: ${refusals.join('; ')}`,
    'give the VM a free pcie-root-port (-device pcie-root-port,id=spare)',
  );
}

/**
 * The device tree is asked, not the PCI buses: those have no numbers before the guest gave them some, and a second
 * device on a port is accepted and never seen by the guest.
 */
async function emptyPorts(qmp: QmpClient): Promise<string[]> {
  const devices = await qmp.execute('qom-list', { path: '/machine/peripheral' });
  const empty: string[] = [];
  for (const { name } of devices.filter(({ type }) => portType.test(type))) {
    // A port's bus has the port's name.
    const bus = await qmp.execute('qom-list', { path: `/machine/peripheral/${name}/${name}` });
    if (!bus.some((property) => property.name.startsWith('child['))) empty.push(name);
  }
  return empty;
}

async function removeDevice(qmp: QmpClient, id: string): Promise<void> {
  using deleted = qmp.events('DEVICE_DELETED');
  await qmp.execute('device_del', { id });
  for (;;) {
    const { data } = await deleted.next({ timeoutMs: unplugMs });
    if (data['device'] === id) return;
  }
}
