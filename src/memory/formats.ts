import { readElfCore } from './elf-core.js';
import { ExtentMemory } from './extent-memory.js';
import {
  isAvml,
  isElf,
  isFirecrackerState,
  isKdump,
  isLibvirtSave,
  isLime,
  isMigration,
  isQcow2,
  isVmware,
  isXenCore,
} from './marks.js';
import type { PhysicalMemory } from './memory.js';
import type { ImageFile } from './source.js';

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

/**
 * Every format that can be read, in the order of detection. What reads a format is loaded when a file is of it; most are
 * ELF.
 */
export const formats: readonly MemoryFormat[] = [
  {
    name: 'xen',
    detect: isXenCore,
    open: async (file) => new ExtentMemory(file, (await import('./xen-core.js')).readXenCore(file)),
  },
  { name: 'elf', detect: isElf, open: (file) => new ExtentMemory(file, readElfCore(file)) },
  { name: 'kdump', detect: isKdump, open: async (file) => (await import('./kdump.js')).openKdump(file) },
  {
    name: 'migration',
    detect: isMigration,
    open: async (file) => (await import('./migration.js')).openMigration(file),
  },
  {
    name: 'savevm',
    takesArgument: true,
    detect: isQcow2,
    open: async (file, snapshot) => {
      const [{ Qcow2State }, { openMigration }] = [
        await import('./qcow2-state.js'),
        await import('./migration.js'),
      ];
      return openMigration(new Qcow2State(file, snapshot), 'savevm');
    },
  },
  {
    name: 'libvirt',
    detect: isLibvirtSave,
    open: async (file) => (await import('./libvirt-save.js')).openLibvirtSave(file),
  },
  {
    name: 'lime',
    detect: isLime,
    open: async (file) => new ExtentMemory(file, (await import('./lime.js')).readLime(file)),
  },
  { name: 'avml', detect: isAvml, open: async (file) => (await import('./avml.js')).openAvml(file) },
  { name: 'vmware', detect: isVmware, open: async (file) => (await import('./vmware.js')).openVmware(file) },
  {
    name: 'firecracker',
    takesArgument: true,
    detect: isFirecrackerState,
    open: async (file, state) => {
      const { openFirecracker, refuseState } = await import('./firecracker.js');
      return state === undefined && isFirecrackerState(file.read(0, Math.min(8, file.size)))
        ? refuseState(file)
        : openFirecracker(file, state, false);
    },
  },
  {
    name: 'firecracker-diff',
    takesArgument: true,
    open: async (file, state) => (await import('./firecracker.js')).openFirecracker(file, state, true),
  },
  { name: 'raw', open: async (file) => (await import('./raw.js')).openRaw(file) },
  { name: 'raw:flat', open: async (file) => (await import('./raw.js')).openRaw(file, 'flat') },
  { name: 'raw:i440fx', open: async (file) => (await import('./raw.js')).openRaw(file, 'i440fx') },
  { name: 'raw:q35', open: async (file) => (await import('./raw.js')).openRaw(file, 'q35') },
  { name: 'raw:virt', open: async (file) => (await import('./raw.js')).openRaw(file, 'virt') },
];
