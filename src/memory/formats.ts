import { isAvml, openAvml } from './avml.js';
import { isElf, readElfCore } from './elf-core.js';
import { ExtentMemory } from './extent-memory.js';
import { isFirecrackerState, openFirecracker, refuseState } from './firecracker.js';
import { isKdump, openKdump } from './kdump.js';
import { isLibvirtSave, openLibvirtSave } from './libvirt-save.js';
import { isLime, readLime } from './lime.js';
import type { PhysicalMemory } from './memory.js';
import { openMigration } from './migration.js';
import { isMigration } from './migration-stream.js';
import { isQcow2, Qcow2State } from './qcow2-state.js';
import { openRaw } from './raw.js';
import type { ImageFile } from './source.js';
import { isVmware, openVmware } from './vmware.js';
import { isXenCore, readXenCore } from './xen-core.js';

/** A format of memory images. */
export interface MemoryFormat {
  /** What `--memory-format` takes. */
  readonly name: string;
  /** Whether something may follow the name, behind a colon. */
  readonly takesArgument?: boolean;
  /** Whether the file is of this format, by its first bytes; undefined for a format that has no mark of its own. */
  readonly detect?: (start: Buffer, path: string) => boolean;
  /** Takes charge of the file, once it returns. */
  readonly open: (file: ImageFile, argument: string | undefined) => PhysicalMemory | Promise<PhysicalMemory>;
}

/** Every format that can be read, in the order of detection. */
export const formats: readonly MemoryFormat[] = [
  { name: 'xen', detect: isXenCore, open: (file) => new ExtentMemory(file, readXenCore(file)) },
  { name: 'elf', detect: isElf, open: (file) => new ExtentMemory(file, readElfCore(file)) },
  { name: 'kdump', detect: isKdump, open: openKdump },
  { name: 'migration', detect: isMigration, open: (file) => openMigration(file) },
  {
    name: 'savevm',
    takesArgument: true,
    detect: isQcow2,
    open: (file, snapshot) => openMigration(new Qcow2State(file, snapshot), 'savevm'),
  },
  { name: 'libvirt', detect: isLibvirtSave, open: openLibvirtSave },
  { name: 'lime', detect: isLime, open: (file) => new ExtentMemory(file, readLime(file)) },
  { name: 'avml', detect: isAvml, open: openAvml },
  { name: 'vmware', detect: isVmware, open: openVmware },
  {
    name: 'firecracker',
    takesArgument: true,
    detect: isFirecrackerState,
    open: (file, state) =>
      state === undefined && isFirecrackerState(file.read(0, Math.min(8, file.size)))
        ? refuseState(file)
        : openFirecracker(file, state, false),
  },
  {
    name: 'firecracker-diff',
    takesArgument: true,
    open: (file, state) => openFirecracker(file, state, true),
  },
  { name: 'raw', open: (file) => openRaw(file) },
  { name: 'raw:flat', open: (file) => openRaw(file, 'flat') },
  { name: 'raw:i440fx', open: (file) => openRaw(file, 'i440fx') },
  { name: 'raw:q35', open: (file) => openRaw(file, 'q35') },
  { name: 'raw:virt', open: (file) => openRaw(file, 'virt') },
];
