import type { Socket } from 'node:net';
import { QmpClient } from '../../src/qemu/qmp.js';
import { lineServer } from './line-server.js';

const greeting = JSON.stringify({ QMP: { version: { qemu: { major: 7 } }, capabilities: [] } });

interface Request {
  execute: string;
  arguments: Record<string, unknown>;
  id: number;
}

function qemu(answer: (request: Request, say: (message: unknown) => void, socket: Socket) => void) {
  return lineServer(greeting, (line, socket) => {
    const request = JSON.parse(line) as Request;
    const say = (message: unknown) => socket.write(JSON.stringify(message) + '\r\n');
    if (request.execute === 'qmp_capabilities') say({ id: request.id, return: {} });
    else answer(request, say, socket);
  });
}

const stamp = { seconds: 1, microseconds: 2 };

describe('QmpClient', () => {
  test('negotiates, sends arguments and returns results', async () => {
    await using server = await qemu(({ id, arguments: args }, say) =>
      say({ id, return: { status: 'paused', running: false, args } }),
    );
    using client = await QmpClient.connect(server.path);
    await expect(client.execute('query-status', { a: 1 })).resolves.toMatchObject({
      status: 'paused',
      running: false,
      args: { a: 1 },
    });
    expect(JSON.parse(server.received[0] ?? '')).toMatchObject({ execute: 'qmp_capabilities' });
  });

  test('matches answers to commands by id, in whatever order they come', async () => {
    const late: (() => void)[] = [];
    await using server = await qemu((request, say) => {
      if (request.execute === 'stop') late.push(() => say({ id: request.id, return: {} }));
      else {
        say({ id: request.id, return: { name: 'vm' } });
        for (const answer of late) answer();
      }
    });
    using client = await QmpClient.connect(server.path);
    const [stopped, name] = await Promise.all([client.execute('stop'), client.execute('query-name')]);
    expect(stopped).toEqual({});
    expect(name.name).toBe('vm');
  });

  test('an error of QEMU is VM_REFUSED with its words', async () => {
    await using server = await qemu(({ id }, say) =>
      say({ id, error: { class: 'DeviceNotFound', desc: "Device 'x' not found" } }),
    );
    using client = await QmpClient.connect(server.path);
    await expect(client.execute('device_del', { id: 'x' })).rejects.toMatchObject({
      code: 'VM_REFUSED',
      message: "QEMU refused device_del: Device 'x' not found",
    });
  });

  test('a result of another shape is refused, not believed', async () => {
    await using server = await qemu(({ id }, say) => say({ id, return: { status: 7 } }));
    using client = await QmpClient.connect(server.path);
    await expect(client.execute('query-status')).rejects.toMatchObject({ code: 'VM_UNREACHABLE' });
  });

  test('keeps events from the subscription on, and only those asked for', async () => {
    await using server = await qemu(({ id }, say) => {
      say({ event: 'RTC_CHANGE', data: { offset: 1 }, timestamp: stamp });
      say({ event: 'DEVICE_DELETED', data: { device: 'plan' }, timestamp: stamp });
      say({ id, return: {} });
      say({ event: 'STOP', timestamp: stamp });
    });
    using client = await QmpClient.connect(server.path);
    using events = client.events('DEVICE_DELETED', 'STOP');
    await client.execute('device_del', { id: 'plan' });
    expect(await events.next()).toEqual({ event: 'DEVICE_DELETED', data: { device: 'plan' } });
    expect(await events.next()).toEqual({ event: 'STOP', data: {} });
    await expect(events.next({ timeoutMs: 20 })).rejects.toMatchObject({ code: 'VM_UNREACHABLE' });
  });

  test('a command that is not answered ends at its deadline; its late answer is dropped', async () => {
    let stop: (() => void) | undefined;
    await using server = await qemu((request, say) => {
      if (request.execute === 'stop') stop = () => say({ id: request.id, return: { late: true } });
      else {
        stop?.();
        say({ id: request.id, return: { name: 'vm' } });
      }
    });
    using client = await QmpClient.connect(server.path);
    await expect(client.execute('stop', {}, { timeoutMs: 20 })).rejects.toMatchObject({
      code: 'VM_UNREACHABLE',
      message: "QEMU's command stop was not answered within 0.02 s",
    });
    await expect(client.execute('query-name')).resolves.toEqual({ name: 'vm' });
  });

  test('an abort ends a wait', async () => {
    await using server = await qemu(() => undefined);
    using client = await QmpClient.connect(server.path);
    const controller = new AbortController();
    const waiting = client.execute('stop', {}, { signal: controller.signal });
    controller.abort();
    await expect(waiting).rejects.toMatchObject({ code: 'INTERRUPTED' });
    await expect(client.execute('stop', {}, { signal: controller.signal })).rejects.toMatchObject({
      code: 'INTERRUPTED',
    });
  });

  test('when QEMU goes away everything that waits fails', async () => {
    await using server = await qemu((_request, _say, socket) => socket.destroy());
    using client = await QmpClient.connect(server.path);
    using events = client.events('STOP');
    const event = events.next();
    await expect(client.execute('quit')).rejects.toMatchObject({ code: 'VM_UNREACHABLE' });
    await expect(event).rejects.toMatchObject({ code: 'VM_UNREACHABLE' });
    await expect(client.execute('stop')).rejects.toMatchObject({ code: 'VM_UNREACHABLE' });
  });

  test.each([
    ['nobody', undefined],
    ['a peer that does not greet', null],
    ['a peer that talks something else', 'SSH-2.0-OpenSSH'],
    ['a peer whose line never ends', 'x'.repeat((16 << 20) + 1)],
  ])('%s is VM_UNREACHABLE', async (_name, words) => {
    await using server = await lineServer(words ?? undefined, () => undefined);
    const path = words === undefined ? server.path + '-gone' : server.path;
    await expect(QmpClient.connect(path, { timeoutMs: 300 })).rejects.toMatchObject({
      code: 'VM_UNREACHABLE',
    });
  });
});
