import type { Kernel } from './kernel.js';

/** What VMCOREINFO tells, `kernel/crash_core.c` (vmcore_info.c from 6.9): `KEY=VALUE` lines. */
export interface VmcoreInfo {
  readonly release: string | undefined;
  /** KASLR's virtual shift, KERNELOFFSET. */
  readonly kernelOffset: bigint | undefined;
  readonly values: ReadonlyMap<string, string>;
}

const maxText = 64 * 1024;

/** Parses the text; lines that are no pairs are passed over, and nothing in it is trusted before it is checked. */
export function parseVmcoreInfo(text: string): VmcoreInfo {
  const values = new Map<string, string>();
  for (const line of text.slice(0, maxText).split('\n')) {
    const equals = line.indexOf('=');
    if (equals > 0) values.set(line.slice(0, equals), line.slice(equals + 1));
  }
  const offset = values.get('KERNELOFFSET');
  return {
    release: values.get('OSRELEASE'),
    kernelOffset: offset !== undefined && /^[0-9a-f]{1,16}$/.test(offset) ? BigInt(`0x${offset}`) : undefined,
    values,
  };
}

/** What the running kernel has written down for its own crash dump; undefined in kernels that do not. */
export function readVmcoreInfo(kernel: Kernel): VmcoreInfo | undefined {
  const data = kernel.find('vmcoreinfo_data');
  const size = kernel.find('vmcoreinfo_size');
  if (data === undefined || size === undefined) return undefined;
  const length = Number(kernel.pointer(size));
  if (length === 0 || length > maxText) return undefined;
  return parseVmcoreInfo(kernel.read(kernel.pointer(data), length).toString('latin1'));
}

/** An address or a number in hexadecimal digits, with or without `0x`. */
export function vmcoreNumber(info: VmcoreInfo, key: string): bigint | undefined {
  const digits = /^(?:0x)?([0-9a-f]{1,16})$/.exec(info.values.get(key) ?? '')?.[1];
  return digits === undefined ? undefined : BigInt(`0x${digits}`);
}
