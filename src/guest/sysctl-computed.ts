import type { Kernel } from '../kernel/kernel.js';
import { readLastPid } from './limits.js';
import { pidNumber } from './tasks.js';

/** WATCHDOG_HARDLOCKUP_ENABLED and WATCHDOG_SOFTOCKUP_ENABLED, `include/linux/nmi.h`. */
const hardLockup = 1;
const softLockup = 2;

type Compute = (kernel: Kernel) => string | undefined;

/** Sysctls whose handler does not print a variable but computes the text, and how. Undefined: not known. */
export const computedSysctls: Readonly<Record<string, Compute>> = {
  'kernel/auto_msgmni': () => '0',
  'kernel/cad_pid': (kernel) => {
    const variable = kernel.find('cad_pid');
    return variable === undefined ? undefined : String(pidNumber(kernel, kernel.pointer(variable)));
  },
  'kernel/nmi_watchdog': watchdog(hardLockup),
  'kernel/ns_last_pid': (kernel) => String(readLastPid(kernel)),
  'kernel/soft_watchdog': watchdog(softLockup),
  'kernel/sysrq': (kernel) => {
    const always = kernel.find('sysrq_always_enabled');
    if (always !== undefined && kernel.read(always, 1)[0]) return '1';
    return int('sysrq_enabled')(kernel);
  },
  'kernel/tainted': (kernel) => {
    const mask = kernel.find('tainted_mask');
    return mask === undefined ? undefined : String(kernel.pointer(mask));
  },
  'kernel/threads-max': int('max_threads'),
  'kernel/watchdog': watchdog(hardLockup | softLockup),
  'net/ipv4/ip_local_port_range': portRange,
  'vm/numa_zonelist_order': () => 'Node',
  'vm/nr_hugepages': hugePages('nr_huge_pages'),
  'vm/nr_hugepages_mempolicy': hugePages('nr_huge_pages'),
  'vm/nr_overcommit_hugepages': hugePages('nr_overcommit_huge_pages'),
};

function int(symbol: string): Compute {
  return (kernel) => {
    const address = kernel.find(symbol);
    return address === undefined ? undefined : String(kernel.i32(address));
  };
}

function watchdog(which: number): Compute {
  return (kernel) => {
    const enabled = kernel.find('watchdog_enabled');
    return enabled === undefined ? undefined : kernel.u32(enabled) & which ? '1' : '0';
  };
}

/** Two ints; since 6.8 one 32-bit word with the upper limit in its upper half. */
function portRange(kernel: Kernel): string | undefined {
  const net = kernel.find('init_net');
  if (net === undefined || !kernel.has('net', 'ip_local_ports')) return undefined;
  const length = kernel.layout('net').members['ip_local_ports']?.[1];
  const bytes = kernel.read(net + BigInt(kernel.offset('net', 'ip_local_ports')), 8);
  return length === 8
    ? `${bytes.readInt32LE(0)}\t${bytes.readInt32LE(4)}`
    : `${bytes.readUInt16LE(0)}\t${bytes.readUInt16LE(2)}`;
}

function hugePages(field: 'nr_huge_pages' | 'nr_overcommit_huge_pages'): Compute {
  return (kernel) => {
    const states = kernel.find('hstates');
    const index = kernel.find('default_hstate_idx');
    if (states === undefined || index === undefined) return undefined;
    const state = kernel.view('hstate', states + BigInt(kernel.u32(index) * kernel.layout('hstate').size));
    return String(state.uint(field));
  };
}
