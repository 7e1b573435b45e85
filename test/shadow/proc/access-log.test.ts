import { AccessLog } from '../../../src/shadow/proc/access-log.js';

type Event = readonly [access: number, tid: number, comm: string, path: string];
const [file, directory, symlink, missing, listed, refused] = [1, 2, 3, 4, 5, 6];

const withCode = (code: string) => expect.objectContaining({ code }) as unknown as Error;

function drained(lost: number, events: readonly Event[], lostWrites = 0): Buffer {
  const records = events.map(([access, tid, comm, path]) => {
    const record = Buffer.alloc(8 + comm.length + path.length);
    record.writeUInt16LE(record.length, 0);
    record.writeUInt8(access, 2);
    record.writeUInt8(comm.length, 3);
    record.writeInt32LE(tid, 4);
    record.write(comm + path, 8);
    return record;
  });
  const head = Buffer.alloc(16);
  head.writeBigUInt64LE(BigInt(lost));
  head.writeBigUInt64LE(BigInt(lostWrites), 8);
  return Buffer.concat([head, ...records]);
}

function logOf(...events: readonly Event[]): AccessLog {
  const log = new AccessLog();
  log.add(drained(0, events));
  return log;
}

test('counts by path, reader and outcome', () => {
  const log = logOf(
    [file, 7, 'cat', 'uptime'],
    [file, 8, 'cat', 'uptime'],
    [file, 9, 'ps', 'uptime'],
    [missing, 9, 'ps', 'cpuinfo'],
  );
  expect(log.reads()).toEqual([
    { path: '/proc/uptime', reader: 'cat', count: 2, found: true },
    { path: '/proc/uptime', reader: 'ps', count: 1, found: true },
    { path: '/proc/cpuinfo', reader: 'ps', count: 1, found: false },
  ]);
});

test('leaves out the directories and links on the way, also between the steps of other threads', () => {
  const log = logOf(
    [directory, 7, 'a', 'sys'],
    [symlink, 8, 'b', 'self'],
    [directory, 7, 'a', 'sys/kernel'],
    [directory, 8, 'b', 'self'],
    [file, 7, 'a', 'sys/kernel/pid_max'],
    [symlink, 8, 'b', 'self/exe'],
  );
  expect(log.reads().map(({ path }) => path)).toEqual(['/proc/sys/kernel/pid_max', '/proc/self/exe']);
});

test('a directory that was asked for itself counts, once when it is listed too', () => {
  const log = logOf(
    [directory, 7, 'test', 'sys/net/ipv6'],
    [directory, 8, 'ls', 'sys'],
    [listed, 8, 'ls', 'sys'],
    [listed, 8, 'ls', ''],
  );
  expect(log.reads()).toEqual([
    { path: '/proc/sys', reader: 'ls', count: 1, found: true },
    { path: '/proc', reader: 'ls', count: 1, found: true },
    { path: '/proc/sys/net/ipv6', reader: 'test', count: 1, found: true },
  ]);
});

test('refused writes are kept apart', () => {
  const log = logOf(
    [file, 7, 'sysctl', 'sys/vm/swappiness'],
    [refused, 7, 'sysctl', 'sys/vm/swappiness'],
    [refused, 8, 'sh', '.ouassister/sys/module/loop/parameters/max_loop'],
  );
  expect(log.takeRefusedWrites(8)).toEqual(['/sys/module/loop/parameters/max_loop']);
  expect(log.takeRefusedWrites(8)).toEqual([]);
  expect(log.takeRefusedWrites(7)).toEqual(['/proc/sys/vm/swappiness']);
  expect(log.reads().map(({ path }) => path)).toEqual(['/proc/sys/vm/swappiness']);
});

test('of refused writes each path is kept once, however many come before it', () => {
  const own: Event = [refused, 7, 'sh', 'self/oom_score_adj'];
  const log = logOf(...Array.from({ length: 1000 }, () => own), [refused, 7, 'sh', 'sys/vm/swappiness']);
  expect(log.takeRefusedWrites(7)).toEqual(['/proc/self/oom_score_adj', '/proc/sys/vm/swappiness']);
  expect(log.lost).toBe(0);
});

test('a refused write that was lost before it got here is whosever is asked about', () => {
  const log = new AccessLog();
  log.add(drained(3, [[refused, 7, 'sh', 'self/oom_score_adj']]));
  expect(log.takeRefusedWrites(7)).toEqual(['/proc/self/oom_score_adj']);
  log.add(drained(0, [], 2));
  log.add(drained(0, []));
  for (const pid of [7, 8]) expect(() => log.takeRefusedWrites(pid)).toThrow(withCode('UPDATE_FAILED'));
  expect(log.lost).toBe(3);
});

test('refused writes are bounded, and none is dropped unseen', () => {
  const log = new AccessLog();
  const writes = (pid: number) =>
    Array.from({ length: 1000 }, (_, i): Event => [refused, pid, 'fuzz', `${i}`]);
  for (let pid = 1; pid <= 50; pid++) log.add(drained(0, writes(pid)));
  expect(log.takeRefusedWrites(1)).toHaveLength(1000);
  for (const pid of [51, 2]) log.add(drained(0, writes(pid)));
  expect(log.takeRefusedWrites(51)).toHaveLength(1000);
  for (const pid of [52, 53]) log.add(drained(0, writes(pid)));
  expect(() => log.takeRefusedWrites(2)).toThrow(withCode('UPDATE_FAILED'));
});

test('is bounded, and says how many accesses it lost', () => {
  const log = new AccessLog();
  log.add(drained(3, []));
  for (let batch = 0; batch < 60; batch++)
    log.add(
      drained(
        0,
        Array.from({ length: 1000 }, (_, i): Event => [missing, 7, 'fuzz', `${batch}-${i}`]),
      ),
    );
  expect(log.reads()).toHaveLength(50_000);
  expect(log.lost).toBe(10_003);
});
