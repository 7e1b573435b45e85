import type { Kernel } from '../kernel/kernel.js';
import { pidNumber } from './tasks.js';

/** tty_devnum() in new_encode_dev()'s form. */
export function ttyNumber(kernel: Kernel, address: bigint): number {
  if (address === 0n) return 0;
  const tty = kernel.view('tty_struct', address);
  const driver = kernel.view('tty_driver', tty.pointer('driver'));
  const minor = driver.int('minor_start') + tty.int('index');
  return ((minor & 0xff) | (driver.int('major') << 8) | ((minor & ~0xff) << 12)) >>> 0;
}

/** The terminal's foreground process group, -1 without a terminal. */
export function ttyForeground(kernel: Kernel, address: bigint): number {
  return address === 0n ? -1 : pidNumber(kernel, kernel.view('tty_struct', address).pointer('pgrp'));
}
