import { OuaError } from '../base/errors.js';
import type { QmpClient } from '../qemu/qmp.js';

/** A guest that is cut off from its networks. Only `lift()` ends that: not the end of this process, nor a failure. */
export interface Isolation {
  /** Names of the network back ends that are cut off. */
  readonly networks: readonly string[];
  /** Gives the guest its networks back. */
  lift(): Promise<void>;
  /**
   * As if nobody had called for it: what an earlier run had cut off stays so.
   *
   * @returns whether the guest has all its networks
   */
  undo(): Promise<boolean>;
}

/** Where QEMU keeps devices: with an id, without one, and those that a machine has of itself. */
const deviceContainers = ['/machine/peripheral', '/machine/peripheral-anon', '/machine/unattached'];

/**
 * Cuts a VM off from every network, in both directions: each network back end gets a `filter-redirector`
 * into a null character device, which takes every packet and gives none. The carrier stays up, so the
 * guest keeps its addresses ("QEMU network filters", docs/colo-proxy.txt; QMP `object-add`).
 *
 * What a run that failed left in place is taken over.
 *
 * @throws OuaError `VM_REFUSED` when QEMU can't do it, as with vhost back ends or a passed-through device.
 */
export async function isolate(qmp: QmpClient): Promise<Isolation> {
  await refusePassthrough(qmp);
  const networks = await findNetworks(qmp);
  const present = new Set((await qmp.execute('qom-list', { path: '/objects' })).map(({ name }) => name));
  const added: string[] = [];
  try {
    for (const [index, network] of networks.entries()) {
      const filter = filterOf(index);
      if (!present.has(filter)) {
        added.push(filter);
        await addFilter(qmp, filter, network);
      }
      await verify(qmp, filter, network);
    }
  } catch (error) {
    await removeFilters(qmp, added);
    throw error;
  }
  return {
    networks,
    lift: () => removeFilters(qmp, [...networks.keys()].map(filterOf)),
    undo: async () => {
      await removeFilters(qmp, added);
      return added.length === networks.length;
    },
  };
}

const filterOf = (index: number): string => `oua-filter-${index}`;

async function removeFilters(qmp: QmpClient, filters: readonly string[]): Promise<void> {
  const objects = new Set((await qmp.execute('qom-list', { path: '/objects' })).map(({ name }) => name));
  const chardevs = new Set((await qmp.execute('query-chardev')).map(({ label }) => label));
  for (const filter of filters) {
    if (objects.has(filter)) await qmp.execute('object-del', { id: filter });
    if (chardevs.has(sinkOf(filter))) await qmp.execute('chardev-remove', { id: sinkOf(filter) });
  }
}

/** A character device serves one filter. */
const sinkOf = (filter: string): string => `${filter}-sink`;

async function addFilter(qmp: QmpClient, id: string, netdev: string): Promise<void> {
  const chardevs = await qmp.execute('query-chardev');
  const outdev = sinkOf(id);
  if (!chardevs.some(({ label }) => label === outdev))
    await qmp.execute('chardev-add', { id: outdev, backend: { type: 'null', data: {} } });
  await qmp.execute('object-add', { 'qom-type': 'filter-redirector', id, netdev, queue: 'all', outdev });
}

async function verify(qmp: QmpClient, filter: string, network: string): Promise<void> {
  const path = `/objects/${filter}`;
  const expected = { netdev: network, status: 'on', queue: 'all', outdev: sinkOf(filter) };
  for (const [property, value] of Object.entries(expected)) {
    const found = await qmp.execute('qom-get', { path, property });
    if (found !== value)
      throw new OuaError(
        'VM_REFUSED',
        `the filter on the network ${network} has ${property} '${String(found)}'`,
        'the VM was not resumed: remove its oua-filter objects and try again',
      );
  }
}

/** Every network back end that a device of the guest is plugged into. */
async function findNetworks(qmp: QmpClient): Promise<string[]> {
  const networks = new Set<string>();
  for (const device of await devices(qmp)) {
    const properties = await qmp.execute('qom-list', { path: device.path });
    if (!properties.some(({ name }) => name === 'netdev')) continue;
    const netdev = await qmp.execute('qom-get', { path: device.path, property: 'netdev' });
    if (typeof netdev === 'string' && netdev !== '') networks.add(netdev);
  }
  return [...networks];
}

async function refusePassthrough(qmp: QmpClient): Promise<void> {
  const passed = (await devices(qmp)).find(({ type }) => /^child<vfio-|^child<usb-host/.test(type));
  if (passed)
    throw new OuaError(
      'VM_REFUSED',
      `the VM has a device of the host (${passed.path}), whose traffic can't be held back`,
      'detach it while the plan is applied',
    );
}

async function devices(qmp: QmpClient): Promise<{ path: string; type: string }[]> {
  const found = [];
  for (const container of deviceContainers)
    for (const { name, type } of await qmp.execute('qom-list', { path: container }))
      if (type.startsWith('child<')) found.push({ path: `${container}/${name}`, type });
  return found;
}
