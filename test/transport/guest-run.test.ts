import { GuestAgent } from '../../src/transport/guest-agent.js';
import { GuestRun } from '../../src/transport/guest-run.js';
import { lineServer } from '../qemu/line-server.js';

const serial = 'oua-0123456789abcdef';

/** A guest whose agent program says what it is told to, behind a guest agent with moods. */
class FakeGuest {
  readonly commands: string[] = [];
  readonly files = new Map([
    ['/proc/partitions', '253 16 1024 vdb\n'],
    ['/sys/block/vdb/serial', serial],
  ]);
  /** Called for each request first: another answer than the usual one, or none. */
  mood: (command: string) => unknown = () => undefined;
  ended = false;
  exitStatus = 0;
  readonly #handles = new Map<number, { path: string; at: number }>();
  #last = 0;

  /** As when the guest agent is restarted: it knows neither handles nor children. */
  restart(): void {
    this.#handles.clear();
    this.#knowsChild = false;
  }
  #knowsChild = true;

  readonly answers: Record<string, (args: Record<string, unknown>) => unknown> = {
    'guest-file-open': ({ path }) => {
      if (!this.files.has(String(path))) return undefined;
      this.#handles.set(++this.#last, { path: String(path), at: 0 });
      return this.#last;
    },
    'guest-file-read': ({ handle }) => {
      const open = this.#handles.get(Number(handle));
      if (!open) return undefined;
      const data = Buffer.from(this.files.get(open.path) ?? '').subarray(open.at);
      open.at += data.length;
      return { count: data.length, 'buf-b64': data.toString('base64'), eof: true };
    },
    'guest-file-close': () => ({}),
    'guest-exec': ({ path, arg }) => {
      this.commands.push([path, ...(arg as string[])].join(' '));
      return { pid: String(path).endsWith('/agent') ? 77 : 5 };
    },
    'guest-exec-status': ({ pid }) => {
      if (pid === 5) return { exited: true, exitcode: 0 };
      return this.#knowsChild ? { exited: this.ended, exitcode: this.exitStatus } : undefined;
    },
  };

  serve() {
    return lineServer(undefined, (line, socket) => {
      const request = JSON.parse(line.replace('\u00ff', '')) as {
        execute: string;
        arguments: Record<string, unknown>;
      };
      const say = (message: unknown) => socket.write(JSON.stringify(message) + '\n');
      if (request.execute === 'guest-sync-delimited') return void say({ return: request.arguments.id });
      const other = this.mood(request.execute);
      if (other !== undefined) return void say(other);
      const result = this.answers[request.execute]?.(request.arguments);
      say(
        result === undefined
          ? { error: { class: 'GenericError', desc: 'no such thing' } }
          : { return: result },
      );
    });
  }
}

const report = `/run/ouassister/report-${serial}-0`;
const unmounted = (guest: FakeGuest) => guest.commands.some((command) => command.startsWith('/bin/umount'));

test('an answer that is lost or broken is asked for again, and no line is lost or twice there', async () => {
  const guest = new FakeGuest();
  await using server = await guest.serve();
  using agent = await GuestAgent.connect(server.path);
  const run = await GuestRun.mount(agent, serial);
  let calls = 0;
  guest.files.set(report, 'one\n');
  guest.mood = (command) => {
    calls += 1;
    if (calls === 12) guest.files.set(report, 'one\ntwo\n');
    if (calls > 30) guest.ended = true;
    return calls % 3 === 0 && command !== 'guest-exec' ? { return: 'nonsense' } : undefined;
  };
  const lines: string[] = [];
  for await (const line of run.run('apply')) lines.push(line);
  expect(lines).toEqual(['one', 'two']);
  guest.mood = () => undefined;
  await run[Symbol.asyncDispose]();
  expect(unmounted(guest)).toBe(true);
});

test('a guest that stays silent is given up, with the disk left where the agent needs it', async () => {
  const guest = new FakeGuest();
  await using server = await guest.serve();
  using agent = await GuestAgent.connect(server.path);
  const run = await GuestRun.mount(agent, serial, { silenceMs: 200 });
  guest.mood = (command) => (command === 'guest-exec-status' ? { return: 'nonsense' } : undefined);
  const running = (async () => {
    for await (const line of run.run('apply')) expect(line).toBe('none');
  })();
  await expect(running).rejects.toMatchObject({
    code: 'VM_UNREACHABLE',
    message: expect.stringContaining(`its disk ${serial} stays plugged in`) as string,
  });
  expect(run.running).toBe(true);
  await run[Symbol.asyncDispose]();
  expect(unmounted(guest)).toBe(false);
});

test('a guest agent that is restarted as the agent ends still gives all that it said', async () => {
  const guest = new FakeGuest();
  await using server = await guest.serve();
  using agent = await GuestAgent.connect(server.path);
  await using run = await GuestRun.mount(agent, serial);
  guest.files.set(report, 'one\n');
  const lines: string[] = [];
  for await (const line of run.run('apply')) {
    lines.push(line);
    guest.files.set(report, 'one\nend\n');
    guest.restart();
  }
  expect(lines).toEqual(['one', 'end']);
});

test('after an abort nothing is started', async () => {
  const guest = new FakeGuest();
  await using server = await guest.serve();
  using agent = await GuestAgent.connect(server.path);
  await using run = await GuestRun.mount(agent, serial);
  await expect(run.run('apply', AbortSignal.abort()).next()).rejects.toMatchObject({ code: 'INTERRUPTED' });
  expect(run.started).toBe(false);
});

test('what another run has left in the guest is not what this one says', async () => {
  const guest = new FakeGuest();
  await using server = await guest.serve();
  using agent = await GuestAgent.connect(server.path);
  await using run = await GuestRun.mount(agent, serial);
  guest.files.set('/run/ouassister/report-0', 'end\n');
  guest.files.set('/run/ouassister/report-oua-fedcba9876543210-0', 'end\n');
  guest.ended = true;
  expect(await run.run('apply').next()).toEqual({ done: true, value: undefined });
});

test('an agent that could not begin is not started', async () => {
  const guest = new FakeGuest();
  await using server = await guest.serve();
  using agent = await GuestAgent.connect(server.path);
  await using run = await GuestRun.mount(agent, serial);
  guest.ended = true;
  guest.exitStatus = 2;
  await expect(run.run('apply').next()).rejects.toMatchObject({
    code: 'AGENT_FAILED',
    message: 'the agent did not start in the guest: exit status 2',
  });
  expect(run.started).toBe(false);
});

test('a guest agent that will not read the report is given up like one that is silent', async () => {
  const guest = new FakeGuest();
  await using server = await guest.serve();
  using agent = await GuestAgent.connect(server.path);
  const run = await GuestRun.mount(agent, serial, { silenceMs: 200 });
  guest.files.set(report, 'one\n');
  guest.mood = (command) =>
    command === 'guest-file-read' ? { error: { class: 'GenericError', desc: 'no' } } : undefined;
  await expect(run.run('apply').next()).rejects.toMatchObject({
    code: 'VM_UNREACHABLE',
    message: expect.stringContaining('does not read') as string,
  });
});
