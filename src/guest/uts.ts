import type { Kernel } from '../kernel/kernel.js';
import type { Uts } from './guest.js';

/** The names of the initial UTS namespace: what uname(2) says outside of containers. */
export function readUts(kernel: Kernel): Uts {
  const namespace = kernel.view('uts_namespace', kernel.symbol('init_uts_ns'));
  const names = kernel.view('new_utsname', namespace.at('name'));
  return {
    sysname: names.text('sysname'),
    nodename: names.text('nodename'),
    release: names.text('release'),
    version: names.text('version'),
    machine: names.text('machine'),
    domainname: names.text('domainname'),
  };
}
