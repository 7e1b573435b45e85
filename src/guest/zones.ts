import type { Kernel } from '../kernel/kernel.js';
import { inconsistent } from '../kernel/lists.js';
import type { StructView } from '../kernel/struct-view.js';

/** MAX_NUMNODES is at most 1024. */
const maxNodes = 1024;
const maxZones = 8;

/** All zones of all memory nodes that are set up; none when the kernel's table of nodes is not known. */
export function* memoryZones(kernel: Kernel): Generator<StructView<'zone'>> {
  const nodeData = kernel.find('node_data');
  if (nodeData === undefined) return;
  for (let node = 0; node < maxNodes; node++) {
    const address = kernel.pointer(nodeData + BigInt(node * 8));
    if (address === 0n) break;
    const data = kernel.view('pglist_data', address);
    const count = data.int('nr_zones');
    if (count < 0 || count > maxZones) throw inconsistent(`the memory node ${node} has ${count} zones`);
    for (let index = 0; index < count; index++)
      yield kernel.view('zone', data.at('node_zones') + BigInt(index * kernel.layout('zone').size));
  }
}
