import type { CpuInfo } from '../../../src/guest/cpu-info.js';
import type { Guest } from '../../../src/guest/guest.js';
import type { Interrupt, Interrupts } from '../../../src/guest/interrupts.js';
import { renderInterrupts } from '../../../src/shadow/proc/accounting.js';
import { renderCpuInfo } from '../../../src/shadow/proc/cpuinfo.js';
import { fixtureGuest } from './fixture-guest.js';

const interrupt = (row: Partial<Interrupt> & Pick<Interrupt, 'number' | 'chip'>): Interrupt => ({
  ...{ counts: [7, 12], total: 19n, shown: true, ownText: false, hardwareNumber: 2n },
  ...{ trigger: undefined, flow: '', actions: ['who'] },
  ...row,
});
const guestWith = (interrupts: Partial<Interrupts>): Guest =>
  fixtureGuest({
    interrupts: () => ({
      ...{ online: [0, 1], limit: 64, numberWidth: 3, chipWidth: undefined, numbered: [], named: [] },
      ...interrupts,
    }),
  });

test('an aarch64 guest’s interrupts are as its kernel aligns them', () => {
  const guest = guestWith({
    numbered: [
      interrupt({ number: 11, chip: 'GIC-0', ownText: true, hardwareNumber: 27n, trigger: 'Level' }),
      interrupt({ number: 19, chip: 'MSI', hardwareNumber: 16384n, trigger: 'Edge', actions: ['a', 'b'] }),
    ],
    named: [
      { name: 'IPI0', counts: [14, 98], description: 'Rescheduling interrupts', gap: 7 },
      { name: 'Err', counts: [3n], description: '', gap: 0 },
    ],
  });
  expect(renderInterrupts(guest)).toBe(
    '           CPU0       CPU1       \n' +
      ' 11:          7         12 GIC-0  27 Level     who\n' +
      ' 19:          7         12       MSI 16384 Edge      a, b\n' +
      'IPI0:        14         98       Rescheduling interrupts\n' +
      'Err:          3\n',
  );
});

test('columns that are as wide as the widest chip’s name are so', () => {
  const guest = guestWith({
    ...{ numberWidth: 4, chipWidth: 12 },
    numbered: [
      interrupt({ number: 1, chip: 'IO-APIC', flow: 'edge' }),
      interrupt({ number: 2, chip: 'PCI-MSIX-0:1', hardwareNumber: undefined, actions: [] }),
      interrupt({ number: 3, chip: 'GIC-0', ownText: true, trigger: 'Level' }),
    ],
    named: [
      { name: 'NMI', counts: [0, 1], description: 'Non-maskable interrupts', gap: 2 },
      { name: 'IPI0', counts: [0, 1], description: 'Rescheduling interrupts', gap: 2 },
    ],
  });
  expect(renderInterrupts(guest)).toBe(
    '            CPU0       CPU1       \n' +
      '   1:          7         12  IO-APIC         2-edge      who\n' +
      '   2:          7         12  PCI-MSIX-0:1      \n' +
      '   3:          7         12  GIC-0    2 Level     who\n' +
      ' NMI:          0          1  Non-maskable interrupts\n' +
      'IPI0:          0          1  Rescheduling interrupts\n',
  );
});

test('an aarch64 guest’s processors are told by their registers', () => {
  const cpu: CpuInfo = {
    ...{ architecture: 'aarch64', processor: 1, bogoMips: 12505n, features: ['fp', 'asimd'] },
    ...{ implementer: 0x41, variant: 0, part: 0xd8, revision: 3 },
  };
  expect(renderCpuInfo(fixtureGuest({ cpuInfo: () => [cpu] }))).toBe(
    'processor\t: 1\nBogoMIPS\t: 125.05\nFeatures\t: fp asimd\nCPU implementer\t: 0x41\n' +
      'CPU architecture: 8\nCPU variant\t: 0x0\nCPU part\t: 0x0d8\nCPU revision\t: 3\n\n',
  );
});
