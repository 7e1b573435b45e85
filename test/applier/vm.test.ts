import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { join } from 'node:path';
import { applyPlan, type ApplyEvent } from '../../src/applier/apply.js';
import { QmpClient } from '../../src/qemu/qmp.js';
import type { LabGuest } from '../lab/lab.js';
import { suspendedGuest, TemporaryLab, type SuspendedGuest } from '../lab/suspended.js';
import { PlanBuilder } from './plans.js';

/** QEMU's user network shows this machine's loopback interface to the guest under this address. */
const host = '10.0.2.2';

let original: SuspendedGuest;
let server: Server;
let connections = 0;
beforeAll(async () => {
  original = await suspendedGuest();
  server = createServer((socket) => {
    connections += 1;
    socket.end();
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
});
afterAll(() => server.close());

/** A maintainer script that knocks at our server and then ends as it is told to. */
function script(): string {
  const { port } = server.address() as AddressInfo;
  return `#!/bin/bash\ntimeout 3 bash -c 'echo > /dev/tcp/${host}/${port}' && echo reached || echo cut off\nexit $1\n`;
}

async function writePlan(path: string, exit: number, bootId?: string): Promise<string> {
  const plan = new PlanBuilder();
  const name = '/var/lib/dpkg/info/oua-test.postinst';
  const change = plan.file(name, script(), { mode: 0o755, mtime: 'now' });
  const content = change.action === 'put' ? (change.state.content ?? '') : '';
  plan.files(change, plan.file('/opt/big', Buffer.alloc(8 << 20, 'big')));
  plan.script([String(exit)], {
    path: Buffer.from(name),
    content,
    argv: [Buffer.from(name), Buffer.from(String(exit))],
    environment: [Buffer.from('PATH=/usr/sbin:/usr/bin:/sbin:/bin')],
  });
  plan.triggers();
  plan.absent('/opt/big');
  return plan.write(path, {
    banner: await original.inside('proc-version'),
    bootId: bootId ?? (await original.inside('boot_id')).trim(),
    machineId: (await original.inside('machine-id')).trim(),
    uptime: Number.parseFloat(await original.inside('proc-uptime')),
  });
}

const inGuest = async (lab: TemporaryLab, guest: LabGuest, command: string): Promise<string> =>
  (await lab.exec(guest.name, { path: '/bin/sh', args: ['-c', command] })).stdout.toString();

async function objects(guest: LabGuest): Promise<string[]> {
  using qmp = await QmpClient.connect(guest.qmp);
  return (await qmp.execute('qom-list', { path: '/objects' })).map(({ name }) => name);
}

async function pause(guest: LabGuest): Promise<void> {
  using qmp = await QmpClient.connect(guest.qmp);
  await qmp.execute('stop');
}

test('a paused VM gets the whole plan while it is off its network, and nothing of ours stays', async () => {
  await using lab = await TemporaryLab.open();
  const copy = await lab.copy(original, 'applied');
  const guest = await lab.resume(copy.name, { paused: true });
  const target = { kind: 'qemu', qmp: guest.qmp, guestAgent: guest.agent } as const;
  const plan = await writePlan(join(guest.folder, 'plan'), 0);
  const events: ApplyEvent['event'][] = [];
  const result = await applyPlan(plan, { target, onEvent: ({ event }) => events.push(event) });

  expect(result.scripts).toMatchObject([
    { step: 1, output: 'cut off\n' },
    { step: 2, skipped: true },
  ]);
  expect(connections).toBe(0);
  expect(result.onlineSeconds).toBeGreaterThan(0);
  expect(events).toEqual([
    ...['laid-out', 'isolated', 'resumed', 'phase', 'phase', 'step', 'step', 'step', 'phase', 'end'],
    'network-restored',
  ]);
  expect(
    await inGuest(lab, guest, 'sha256sum < /opt/big; ls /var/lib/ouassister /run/ouassister; ls /sys/block'),
  ).toMatch(/^[0-9a-f]{64} +-\n(?!.*vdb)/s);
  expect(await inGuest(lab, guest, 'grep -c ouassister /proc/mounts')).toBe('0\n');
  expect((await objects(guest)).filter((name) => name.startsWith('oua'))).toEqual([]);
  expect(await inGuest(lab, guest, '/var/lib/dpkg/info/oua-test.postinst 0')).toBe('reached\n');

  await expect(applyPlan(plan, { target })).rejects.toMatchObject({ code: 'VM_NOT_PAUSED' });
  await pause(guest);
  await expect(applyPlan(plan, { target })).rejects.toMatchObject({
    code: 'PLAN_STALE',
    message: expect.stringContaining('/opt/big: there is a file') as string,
  });
});

test('a VM in which the plan fails has its old files back and stays off its network', async () => {
  await using lab = await TemporaryLab.open();
  const copy = await lab.copy(original, 'failed');
  const guest = await lab.resume(copy.name, { paused: true });
  const target = { kind: 'qemu', qmp: guest.qmp, guestAgent: guest.agent } as const;

  const wrong = await writePlan(join(guest.folder, 'plan'), 0, 'another-boot');
  await expect(applyPlan(wrong, { target })).rejects.toMatchObject({ code: 'WRONG_GUEST' });
  rmSync(wrong);
  await pause(guest);

  const plan = await writePlan(join(guest.folder, 'plan'), 3);
  const before = connections;
  await expect(applyPlan(plan, { target })).rejects.toMatchObject({
    code: 'ROLLED_BACK',
    message: expect.stringContaining('the VM runs without its network (net0)') as string,
  });
  const knock = script().replaceAll('$1', '0');
  expect(await inGuest(lab, guest, `cat > /tmp/knock <<'END'\n${knock}END\nbash /tmp/knock`)).toBe(
    'cut off\n',
  );
  expect(connections).toBe(before);
  expect(
    await inGuest(
      lab,
      guest,
      'ls -d /opt/big /var/lib/dpkg/info/oua-test* /var/lib/ouassister /run/ouassister',
    ),
  ).toBe('');
  expect(await objects(guest)).toContain('oua-filter-0');
});

test('a VM in which the plan stops at a failure keeps what is done, and stays off its network', async () => {
  await using lab = await TemporaryLab.open();
  const copy = await lab.copy(original, 'stopped');
  const guest = await lab.resume(copy.name, { paused: true });
  const target = { kind: 'qemu', qmp: guest.qmp, guestAgent: guest.agent } as const;
  const plan = await writePlan(join(guest.folder, 'plan'), 3);
  await expect(applyPlan(plan, { target, onFailure: 'stop' })).rejects.toMatchObject({
    code: 'STOPPED',
    output: 'cut off\n',
    message: expect.stringMatching(
      /^step 1 \(script\) failed: .*; the guest is between two states: step 0 before it done and kept, step 2 not done; the VM runs without its network \(net0\)$/,
    ) as string,
  });
  const seen = 'ls -d /opt/big /var/lib/dpkg/info/oua-test* /var/lib/ouassister /run/ouassister';
  expect(await inGuest(lab, guest, seen)).toBe('/opt/big\n/var/lib/dpkg/info/oua-test.postinst\n');
  expect(await objects(guest)).toContain('oua-filter-0');
});
