import type { Socket } from 'node:net';
import { GuestAgent } from '../../src/transport/guest-agent.js';
import { lineServer } from '../qemu/line-server.js';

interface Request {
  execute: string;
  arguments: Record<string, unknown>;
}

/** A guest agent: answers synchronisation, as the real one does with 0xff first, and hands on the rest. */
function agent(answer: (request: Request, say: (message: unknown) => void, socket: Socket) => void) {
  return lineServer(undefined, (line, socket) => {
    const request = JSON.parse(line.replace('\u00ff', '')) as Request;
    const say = (message: unknown) => socket.write(JSON.stringify(message) + '\n');
    if (request.execute !== 'guest-sync-delimited') answer(request, say, socket);
    else {
      socket.write(Buffer.of(0xff));
      say({ return: request.arguments.id });
    }
  });
}

/** A fake file system and process table behind the agent's commands. */
function guest(files: Map<string, Buffer>, polls: number) {
  let left = polls;
  return agent(({ execute, arguments: args }, say) => {
    const commands: Record<string, () => unknown> = {
      'guest-file-open': () => {
        if (args.mode === 'w') files.set(String(args.path), Buffer.alloc(0));
        return files.has(String(args.path)) ? 1000 : undefined;
      },
      'guest-file-read': () => {
        const [[name = '', data = Buffer.alloc(0)] = []] = files;
        const part = data.subarray(0, Number(args.count));
        files.set(name, data.subarray(part.length));
        return {
          count: part.length,
          'buf-b64': part.toString('base64'),
          eof: part.length < Number(args.count),
        };
      },
      'guest-file-write': () => {
        const part = Buffer.from(String(args['buf-b64']), 'base64').subarray(0, 700_000);
        const [[name = '', data = Buffer.alloc(0)] = []] = files;
        files.set(name, Buffer.concat([data, part]));
        return { count: part.length, eof: false };
      },
      'guest-file-close': () => ({}),
      'guest-exec': () => ({ pid: 77 }),
      'guest-exec-status': () =>
        left-- > 0
          ? { exited: false }
          : {
              exited: true,
              exitcode: 3,
              'out-data': Buffer.from('out').toString('base64'),
              'err-data': Buffer.from([0xff, 0]).toString('base64'),
            },
    };
    const result = commands[execute]?.();
    say(
      result === undefined ? { error: { class: 'GenericError', desc: 'No such file' } } : { return: result },
    );
  });
}

describe('GuestAgent', () => {
  test('runs a program and collects its outputs and status', async () => {
    await using server = await guest(new Map(), 3);
    using client = await GuestAgent.connect(server.path);
    const exit = await client.run({
      path: '/bin/cat',
      args: ['-'],
      env: ['A=1'],
      input: Buffer.from('hello'),
    });
    expect(exit).toEqual({
      exitCode: 3,
      signal: undefined,
      stdout: Buffer.from('out'),
      stderr: Buffer.from([0xff, 0]),
      truncated: false,
    });
    expect(JSON.parse(server.received[1] ?? '')).toEqual({
      execute: 'guest-exec',
      arguments: {
        path: '/bin/cat',
        arg: ['-'],
        env: ['A=1'],
        'input-data': 'aGVsbG8=',
        'capture-output': true,
      },
    });
  });

  test('a program that does not end is given up at the deadline', async () => {
    await using server = await guest(new Map(), Infinity);
    using client = await GuestAgent.connect(server.path);
    await expect(client.run({ path: '/bin/cat' }, { timeoutMs: 100 })).rejects.toMatchObject({
      code: 'VM_UNREACHABLE',
      message: 'process 77 in the guest did not end within 0.1 s',
    });
  });

  test('reads and writes files in parts, and keeps to the bound', async () => {
    const data = Buffer.alloc(2_500_000, 'abc');
    const files = new Map([['/a', data]]);
    await using server = await guest(files, 0);
    using client = await GuestAgent.connect(server.path);
    expect((await client.readFile('/a', 3_000_000)).equals(data)).toBe(true);
    await client.writeFile('/a', data);
    expect(files.get('/a')?.equals(data)).toBe(true);
    await expect(client.readFile('/a', 1_000_000)).rejects.toMatchObject({ code: 'VM_REFUSED' });
    await expect(client.readFile('/none', 1)).rejects.toMatchObject({
      code: 'VM_REFUSED',
      message: 'the guest agent refused guest-file-open: No such file',
    });
  });

  test('waits for an agent that comes up later, through stale and broken words', async () => {
    let requests = 0;
    await using server = await lineServer(undefined, (line, socket) => {
      const { arguments: args } = JSON.parse(line.replace('\u00ff', '')) as Request;
      if (++requests === 1) socket.write('{"return": 4}\nnot json\n{"retu');
      else socket.write(Buffer.from(`\u00ff{"return": ${Number(args.id)}}\n`, 'latin1'));
    });
    using client = await GuestAgent.connect(server.path, { timeoutMs: 30_000 });
    expect(requests).toBe(2);
    expect(client.path).toBe(server.path);
  });

  test('after an answer that came too late the next call gets its own', async () => {
    const late: (() => void)[] = [];
    await using server = await agent(({ execute }, say) => {
      if (execute === 'guest-get-time' && late.length === 0) late.push(() => say({ return: 1 }));
      else {
        say({ return: 2 });
      }
    });
    using client = await GuestAgent.connect(server.path);
    await expect(client.execute('guest-get-time', {}, { timeoutMs: 20 })).rejects.toMatchObject({
      code: 'VM_UNREACHABLE',
    });
    const next = client.execute('guest-get-time');
    late[0]?.();
    await expect(next).resolves.toBe(2);
  });

  test('calls made at once run one after another', async () => {
    let running = 0;
    await using server = await agent((_request, say) => {
      expect(++running).toBe(1);
      setTimeout(() => {
        running--;
        say({ return: running });
      }, 5);
    });
    using client = await GuestAgent.connect(server.path);
    await expect(
      Promise.all(Array.from({ length: 5 }, () => client.execute('guest-get-time'))),
    ).resolves.toEqual([0, 0, 0, 0, 0]);
  });

  test('an answer of another shape is refused, not believed', async () => {
    await using server = await agent((_request, say) => say({ return: { pid: '1; rm -rf /' } }));
    using client = await GuestAgent.connect(server.path);
    await expect(client.run({ path: '/bin/true' })).rejects.toMatchObject({ code: 'VM_UNREACHABLE' });
  });

  test('an abort ends the wait for an agent; a lost connection fails every call', async () => {
    await using silent = await lineServer(undefined, () => undefined);
    const controller = new AbortController();
    const connecting = GuestAgent.connect(silent.path, { signal: controller.signal, timeoutMs: 60_000 });
    controller.abort();
    await expect(connecting).rejects.toMatchObject({ code: 'INTERRUPTED' });

    await using server = await agent((_request, _say, socket) => socket.destroy());
    using client = await GuestAgent.connect(server.path);
    await expect(client.execute('guest-ping')).rejects.toMatchObject({ code: 'VM_UNREACHABLE' });
    await expect(client.execute('guest-ping')).rejects.toMatchObject({ code: 'VM_UNREACHABLE' });
  });

  test('nobody there, or nobody answering, is VM_UNREACHABLE', async () => {
    await using server = await lineServer(undefined, () => undefined);
    await expect(GuestAgent.connect(server.path + '-gone')).rejects.toMatchObject({ code: 'VM_UNREACHABLE' });
    await expect(GuestAgent.connect(server.path, { timeoutMs: 50 })).rejects.toMatchObject({
      code: 'VM_UNREACHABLE',
    });
  });
});
