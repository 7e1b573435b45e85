import type { NetworkState } from '../../../src/guest/network-state.js';
import type { SystemState } from '../../../src/guest/system-state.js';

const none = { requests: 0n, merges: 0n, sectors: 0n, milliseconds: 0n };
const counts = {
  read: { requests: 7n, merges: 1n, sectors: 56n, milliseconds: 3n },
  write: { requests: 2n, merges: 0n, sectors: 16n, milliseconds: (1n << 32n) + 4n },
  discard: none,
  flush: { requests: 5n, merges: 0n, sectors: 0n, milliseconds: 6n },
};

/** What the small guest of `fixture-guest.ts` has of hardware and counters. */
export const fixtureSystem: SystemState = {
  cpuAccounting: () => ({
    total: [11n, 0n, 22n, 33n, 4n, 0n, 5n, 0n, 0n, 0n].map((ticks) => ticks * 10_000_000n + 9_999_999n),
    online: [[0, [11n, 0n, 22n, 33n, 4n, 0n, 5n, 0n, 0n, 0n].map((ticks) => ticks * 10_000_000n)]],
    interrupts: 100n,
    contextSwitches: 21576n,
    bootTime: 1795467200n,
    forks: 346n,
    running: 1,
    blocked: 2,
    softIrqs: [
      { name: 'HI', counts: [1] },
      { name: 'NET_RX', counts: [20] },
    ],
  }),
  interrupts: () => ({
    online: [0],
    limit: 4,
    numberWidth: 3,
    chipWidth: undefined,
    numbered: [
      {
        number: 1,
        counts: [9],
        total: 9n,
        shown: true,
        chip: 'IO-APIC',
        ownText: false,
        trigger: undefined,
        hardwareNumber: 1n,
        flow: 'edge',
        actions: ['i8042', 'other'],
      },
      {
        number: 2,
        counts: [0],
        total: 0n,
        shown: false,
        chip: '',
        ownText: false,
        trigger: undefined,
        hardwareNumber: undefined,
        flow: '',
        actions: [],
      },
      {
        number: 3,
        counts: [4],
        total: 4n,
        shown: true,
        chip: '-',
        ownText: false,
        trigger: undefined,
        hardwareNumber: undefined,
        flow: '',
        actions: [],
      },
    ],
    named: [
      { name: 'LOC', counts: [77], description: 'Local timer interrupts', gap: 3 },
      { name: 'ERR', counts: [0], description: '', gap: 0 },
    ],
  }),
  cpuInfo: () => [],
  deviceNumbers: () => ({
    character: [
      [1, 'mem'],
      [136, 'pts'],
    ],
    block: [[254, 'virtblk']],
    misc: [[235, 'autofs']],
  }),
  blockDevices: () =>
    [0, 1].map((partition) => ({
      device: { major: 254, minor: partition },
      name: partition ? 'vda1' : 'vda',
      partition,
      sectors: partition ? 8384512n : 8388608n,
      listed: true,
      counts,
      inFlight: undefined,
      ioMilliseconds: 24n,
      weightedMilliseconds: 13n,
    })),
  swaps: () => [
    { path: '/dev/vda2', type: 'partition', size: 999420n, used: 0n, priority: -2 },
    { path: '/swap file', type: 'file', size: 20_000_000n, used: 8n, priority: 5 },
  ],
  vmCounters: () => [
    ['nr_free_pages', 93016n],
    ['nr_unstable', 0n],
  ],
};

/** A guest without any network. */
export const fixtureNetwork: NetworkState = {
  netDevices: () => [],
  inet6Addresses: () => [],
  neighbours: () => [],
  routes: () => [],
  tcpSockets: () => [],
  udpSockets: () => [],
  udpLiteSockets: () => [],
  rawSockets: () => [],
  unixSockets: () => [],
  netlinkSockets: () => [],
  packetSockets: () => [],
};
