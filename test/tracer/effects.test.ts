/** Calls that act on the running system. Those that are made here fail: they are given what no kernel takes. */
import type { CallEvent } from '../../src/tracer/call-event.js';
import type { TraceEvent } from '../../src/tracer/tracer.js';
import { effectRows } from '../../src/tracer/effect-rows.js';
import { callsCommand, parseResults, type Call } from './calls.js';
import { natively, observe, removeFolder } from './support.js';

afterAll(removeFolder);

const failing: readonly Call[] = [
  ['mount', 'bad', 'bad', 'bad', 0],
  ['umount2', 'bad', 0],
  ['open_tree', -1, 'bad', 1],
  ['move_mount', -1, 'bad', -1, 'bad', 0],
  ['fsopen', 'bad', 0],
  ['fspick', -1, 'bad', 0],
  ['mount_setattr', -1, 'bad', 0, 'bad', 0],
  ['pivot_root', 'bad', 'bad'],
  ['swapon', 'bad', 0],
  ['swapoff', 'bad'],
  ['quotactl', 0, 'bad', 0, 'bad'],
  ['quotactl_fd', -1, 0, 0, 'bad'],
  ['acct', 'bad'],
  ['init_module', 'bad', 4096, 'bad'],
  ['finit_module', -1, 'bad', 0],
  ['delete_module', 'bad', 0],
  ['kexec_load', 0, 99, 'bad', 0],
  ['kexec_file_load', -1, -1, 0, 'bad', 0xffff],
  ['reboot', 0, 0, 0],
  ['sethostname', 'bad', -1],
  ['setdomainname', 'bad', -1],
  ['settimeofday', 'bad', 0],
  ['clock_settime', 0, 'bad'],
  ['adjtimex', 'bad'],
  ['clock_adjtime', 0, 'bad'],
  ['iopl', 9],
  ['ioperm', 0xfffff, 1, 1],
  ['ioctl', -1, 0x8914, 0],
  ['ioctl', -1, 0x89a3, 0],
];
const failing32: readonly Call[] = [
  ['umount', 0],
  ['stime', 0],
  ['clock_settime64', 0, 0],
  ['clock_adjtime64', 0, 0],
  ['ioctl', -1, 0x8914, 0],
];

/** A message's length of 16 and type, linux/netlink.h; an address of the kernel. */
const message = (type: number) =>
  `=10000000${Buffer.of(type & 0xff, type >> 8).toString('hex')}${'00'.repeat(10)}`;
const kernel = '=100000000000000000000000';
const [RTM_NEWLINK, RTM_GETLINK] = [16, 18];

const told = (events: readonly TraceEvent[]) =>
  events.filter((event): event is CallEvent => event.type === 'call');

describe.each([
  [64, failing],
  [32, failing32],
] as const)('%i-bit programs', (bits, calls) => {
  test('each call is told with its errno, and the program sees what the kernel says', async () => {
    const command = callsCommand(calls, bits);
    // Not every kernel has them all.
    const results = parseResults((await natively(command)).output).map(({ result }) => result);
    expect(Math.max(...results)).toBeLessThan(0);
    const { events, output } = await observe(command, { effects: true });
    expect(parseResults(output).map(({ result }) => result)).toEqual(results);
    expect(told(events).map((event) => [event.kind, event.call, 'errno' in event && -event.errno])).toEqual(
      calls.map(([name], index) => ['effect', name, results[index]]),
    );
  });
});

test('every call of the rows is made here, but for that which would succeed', () => {
  const made = new Set([...failing, ...failing32].map(([name]) => name));
  const others = effectRows.map(({ name }) => name).filter((name) => !made.has(name));
  expect([...new Set(others)]).toEqual(['vhangup', 'socket', 'sendto']);
});

test('sockets by which only the running system is meant, and what is sent to it', async () => {
  const calls: readonly Call[] = [
    ['socket', 16, 3, 12],
    ['socket', 16, 3, 16],
    ['socket', 16, 3, 0],
    ['sendto', '$2', message(RTM_GETLINK), 16, 0, kernel, 12],
    ['sendto', '$2', message(RTM_NEWLINK), 16, 0, kernel, 12],
    ['sendto', -1, message(RTM_NEWLINK), 16, 0, kernel, 12],
    // No address of that family, or of that length.
    ['sendto', '$2', message(RTM_NEWLINK), 16, 0, 0, 0],
    ['socket', 1, 2, 12],
    // Terminals, and copies of a mount's path, are nobody else's.
    ['ioctl', 0, 0x5401, '@64'],
    ['open_tree', -100, '=2f00', 0],
  ];
  const { events } = await observe(callsCommand(calls), { effects: true });
  const shown = told(events).map((event) => [
    event.call,
    event.kind === 'netlink' ? event.message : event.kind,
    'errno' in event && event.errno,
  ]);
  expect(shown).toEqual([
    ['socket', 'effect', 0],
    ['socket', 'effect', 0],
    ['sendto', RTM_GETLINK, 0],
    ['sendto', RTM_NEWLINK, 0],
    ['sendto', RTM_NEWLINK, 9],
  ]);
});

test('without that wish nothing of it is told or stops', async () => {
  const { events, result } = await observe(callsCommand(failing), { effects: false });
  expect(told(events)).toEqual([]);
  expect(result.exitStatus).toBe(0);
});
