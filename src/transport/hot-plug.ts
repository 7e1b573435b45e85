import { z } from 'zod';
import { OuaError } from '../base/errors.js';
import type { QmpClient } from './qmp.js';

/** How long a guest may take to let go of a disk. */
const unplugMs = 30_000;

/** What `query-pci` says of a bridge: the devices behind it, if any ("QEMU QMP Reference Manual", PciDeviceInfo). */
const pciDevice = z.looseObject({
  qdev_id: z.string(),
  pci_bridge: z.looseObject({ devices: z.array(z.unknown()).optional() }).optional(),
});

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

async function emptyPorts(qmp: QmpClient): Promise<string[]> {
  const buses = await qmp.execute('query-pci');
  return buses
    .flatMap(({ devices }) => devices.map((device) => pciDevice.parse(device)))
    .filter(({ qdev_id, pci_bridge }) => qdev_id !== '' && pci_bridge && !pci_bridge.devices?.length)
    .map(({ qdev_id }) => qdev_id);
}

async function removeDevice(qmp: QmpClient, id: string): Promise<void> {
  using deleted = qmp.events('DEVICE_DELETED');
  await qmp.execute('device_del', { id });
  for (;;) {
    const { data } = await deleted.next({ timeoutMs: unplugMs });
    if (data['device'] === id) return;
  }
}
