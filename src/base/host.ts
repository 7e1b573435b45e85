import { accessSync, constants, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { hostPrograms, toolEnvironment } from './command.js';
import { OuaError } from './errors.js';

/** One thing that this host must have, and whether it has it. */
export interface HostFinding {
  readonly what: string;
  readonly ok: boolean;
  readonly detail: string;
  /** How to get it. */
  readonly hint: string;
}

const devices = { '/dev/fuse': 'modprobe fuse', '/dev/loop-control': 'modprobe loop' };
const kernelFileSystems = { overlay: 'modprobe overlay', ext4: 'modprobe ext4', fuse: 'modprobe fuse' };

/** Looks at the rights, programs, devices and kernel features that planning needs. Changes nothing. */
export function checkHost(): HostFinding[] {
  return [rights(), ...programFindings(), ...deviceFindings(), ...fileSystemFindings()];
}

/**
 * @throws OuaError `NOT_ROOT`, `PROGRAM_MISSING` or `HOST_UNSUPPORTED` for the first thing that is missing.
 */
export function requireHost(): void {
  if (!rights().ok) throw new OuaError('NOT_ROOT', 'planning needs root', 'run as root (sudo)');
  const program = programFindings().find((finding) => !finding.ok);
  if (program)
    throw new OuaError('PROGRAM_MISSING', `the program '${program.what}' is not installed`, program.hint);
  const missing = [...deviceFindings(), ...fileSystemFindings()].find((finding) => !finding.ok);
  if (missing) throw new OuaError('HOST_UNSUPPORTED', `this host has no ${missing.what}`, missing.hint);
}

function rights(): HostFinding {
  const uid = process.geteuid?.() ?? -1;
  return { what: 'root', ok: uid === 0, detail: `effective uid ${uid}`, hint: 'run as root (sudo)' };
}

function programFindings(): HostFinding[] {
  const folders = toolEnvironment.PATH.split(':');
  return Object.entries(hostPrograms).map(([program, debianPackage]) => {
    const found = folders
      .map((folder) => join(folder, program))
      .find((path) => accessible(path, constants.X_OK));
    return {
      what: program,
      ok: found !== undefined,
      detail: found ?? 'not installed',
      hint: `apt-get install ${debianPackage}`,
    };
  });
}

function deviceFindings(): HostFinding[] {
  return Object.entries(devices).map(([path, hint]) => {
    const ok = accessible(path, constants.R_OK | constants.W_OK);
    return { what: path, ok, detail: ok ? 'accessible' : 'not accessible', hint };
  });
}

function fileSystemFindings(): HostFinding[] {
  const known = new Set(readFileSync('/proc/filesystems', 'utf8').split(/\s+/));
  return Object.entries(kernelFileSystems).map(([name, hint]) => {
    const ok = known.has(name);
    return { what: `${name} file system`, ok, detail: ok ? 'in the kernel' : 'not in the kernel', hint };
  });
}

function accessible(path: string, mode: number): boolean {
  try {
    accessSync(path, mode);
    return true;
  } catch {
    return false;
  }
}
