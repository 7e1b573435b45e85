import { OuaError } from '../base/errors.js';
import { isElf, readElfCore } from './elf-core.js';
import { ExtentMemory, ImageFile } from './extent-memory.js';
import type { PhysicalMemory } from './memory.js';
import { readRaw } from './raw.js';

interface Format {
  readonly name: string;
  /** Whether the file's first bytes are this format's; undefined for a format that has no mark of its own. */
  readonly detect?: (start: Buffer) => boolean;
  readonly open: (file: ImageFile) => PhysicalMemory;
}

/** Every format that can be read, in the order of detection. */
const formats: readonly Format[] = [
  { name: 'elf', detect: isElf, open: (file) => new ExtentMemory(file, readElfCore(file)) },
  { name: 'raw', open: (file) => new ExtentMemory(file, readRaw(file)) },
];

/** The names that `format` of {@link openMemory} takes. */
export const memoryFormats: readonly string[] = formats.map((format) => format.name);

const detectionBytes = 4096;

/**
 * Opens a memory image, by its content or as the `format` says. A format without a mark of its own (`raw`) is
 * only taken when it is named.
 *
 * @throws OuaError `FILE_MISSING`, `MEMORY_FORMAT`, `MEMORY_TRUNCATED`, or `USAGE` for an unknown format name.
 */
export function openMemory(path: string, options: { format?: string | undefined } = {}): PhysicalMemory {
  const file = new ImageFile(path);
  try {
    return chooseFormat(file, options.format).open(file);
  } catch (error) {
    file[Symbol.dispose]();
    throw error;
  }
}

function chooseFormat(file: ImageFile, wanted: string | undefined): Format {
  if (wanted !== undefined) {
    const format = formats.find((row) => row.name === wanted);
    if (format) return format;
    throw new OuaError(
      'USAGE',
      `there is no memory format '${wanted}'`,
      `take one of: ${memoryFormats.join(', ')}`,
    );
  }
  const start = file.read(0, Math.min(detectionBytes, file.size));
  const format = formats.find((row) => row.detect?.(start));
  if (format) return format;
  throw new OuaError(
    'MEMORY_FORMAT',
    `${file.path} has no known memory image format`,
    `name it with --memory-format (${memoryFormats.join(', ')}), or save the memory with QMP dump-guest-memory`,
  );
}
