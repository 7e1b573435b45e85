import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { applyPlan, type ApplyEvent } from '../../src/applier/apply.js';
import { BareVm } from '../qemu/bare-vm.js';
import { lineServer } from '../qemu/line-server.js';
import { PlanBuilder } from './plans.js';

test('a guest in which nothing was started yet gets its network back after an abort', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'oua-abort-'));
  const qmp = join(folder, 'qmp');
  await using vm = await BareVm.start(
    // So that a guest without a kernel lets go of a disk at once.
    ...['-machine', 'q35', '-global', 'ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off'],
    ...['-device', 'pcie-root-port,id=spare,chassis=1'],
    ...['-netdev', 'user,id=net0', '-device', 'virtio-net-pci,netdev=net0'],
    ...['-qmp', `unix:${qmp},server=on,wait=off`],
  );
  await using silent = await lineServer(undefined, () => undefined);
  const plan = await new PlanBuilder().files().write(join(folder, 'plan'));
  const abort = new AbortController();
  const events: string[] = [];
  const onEvent = ({ event }: ApplyEvent) => {
    events.push(event);
    if (event === 'resumed') setTimeout(() => abort.abort(), 100);
  };
  const target = { kind: 'qemu', qmp, guestAgent: silent.path } as const;
  await expect(applyPlan(plan, { target, onEvent, signal: abort.signal })).rejects.toMatchObject({
    code: 'INTERRUPTED',
    message: expect.not.stringContaining('without its network') as string,
  });
  expect(events).toEqual(['laid-out', 'isolated', 'resumed', 'network-restored']);
  const objects = await vm.qmp.execute('qom-list', { path: '/objects' });
  expect(objects.map(({ name }) => name).filter((name) => name.startsWith('oua'))).toEqual([]);
  rmSync(folder, { recursive: true });
});
