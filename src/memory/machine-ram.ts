import { architectureOf, boardOf, boards, onePieceLimit, type Board, type Piece } from './boards.js';
import { boardByFirmwareMap } from './firmware-map.js';
import type { BlockPages, Migration, RamBlock } from './migration-stream.js';
import { PagedMemory, type PagedImage } from './paged-memory.js';
import { RangeList } from './ranges.js';
import { unreadable } from './refusals.js';
import type { ByteSource } from './source.js';

/**
 * The machine's RAM from the blocks of a migration stream, each page where its board has it. Memory devices
 * (DIMMs, virtio-mem) have no fixed place and are holes. Takes charge of the source.
 *
 * @throws OuaError `MEMORY_FORMAT` when it is not clear which block is the machine's RAM, or where it lies.
 */
export function machineMemory(source: ByteSource, format: string, migration: Migration): PagedMemory {
  const ram = machineRam(source.path, migration);
  const on = (board: Board) =>
    new PagedMemory(
      source,
      placed(source, format, migration.pageSize, ram, boards[board](ram.length), board),
    );
  const board = boardOf(migration.machine);
  if (board) return on(board);
  return on(ram.length < onePieceLimit ? 'flat' : boardByFirmwareMap(on('flat'), ram.length));
}

interface Ram {
  readonly length: number;
  readonly pages: BlockPages;
}

/** Blocks that belong to a device or are firmware, by the names that QEMU gives them. */
const deviceBlock = /vram|rom|bios|flash|acpi|fw_cfg|\/rom@|sram|framebuffer|ramfb|pci|tpm|shmem/i;
/** Memory devices: their addresses are in no stream. */
const memoryDevice = /dimm|nvdimm|virtiomem|vmem|virtio-mem/i;
/** Machines without NUMA nodes call it so, unless it has a memory backend. */
const usualNames = ['pc.ram', 'microvm.ram', 'mach-virt.ram', 'ram'];
const node = /ram-node(\d+)$/;

/** The block that is the machine's RAM, or the blocks of its NUMA nodes, one behind the other. */
function machineRam(path: string, migration: Migration): Ram {
  const usual = migration.blocks.find(({ name }) => usualNames.includes(name));
  if (usual) return usual;
  const rest = migration.blocks.filter(({ name }) => !deviceBlock.test(name) && !memoryDevice.test(name));
  if (rest.length === 1) return rest[0] as RamBlock;
  const number = ({ name }: RamBlock) => Number(node.exec(name)?.[1] ?? NaN);
  const nodes = rest.filter((block) => !Number.isNaN(number(block))).sort((a, b) => number(a) - number(b));
  if (nodes.length > 0 && nodes.length === rest.length) return concatenated(nodes, migration.pageSize);
  const names = migration.blocks.map(({ name }) => name).join(', ');
  throw unreadable(path, `which of its blocks is the machine's RAM is not clear (${names || 'it has none'})`);
}

function concatenated(blocks: readonly RamBlock[], pageSize: number): Ram {
  const starts: number[] = [];
  let length = 0;
  for (const block of blocks) {
    starts.push(length / pageSize);
    length += block.length;
  }
  return {
    length,
    pages: {
      at(page) {
        const last = starts.findLastIndex((start) => page >= start);
        return blocks[last]?.pages.at(page - (starts[last] as number)) ?? 0;
      },
      *runs() {
        for (const [index, { pages }] of blocks.entries())
          for (const [first, end] of pages.runs())
            yield [first + (starts[index] as number), end + (starts[index] as number)] as const;
      },
    },
  };
}

function placed(
  source: ByteSource,
  format: string,
  pageSize: number,
  ram: Ram,
  pieces: readonly Piece[],
  board: Board,
): PagedImage {
  const list = new RangeList(source.path);
  for (const { address, offset, length } of pieces)
    for (const [first, end] of ram.pages.runs()) {
      const from = Math.max(first * pageSize, offset);
      const to = Math.min(end * pageSize, offset + length);
      if (from < to) list.add(address + from - offset, address + to - offset);
    }
  return {
    format,
    architecture: architectureOf(board),
    pageSize,
    ranges: list.ranges,
    load(page, target) {
      const address = page * pageSize;
      const piece = pieces.find((one) => address >= one.address && address < one.address + one.length);
      const place = piece ? ram.pages.at((piece.offset + address - piece.address) / pageSize) : 0;
      if (place > 0) source.readInto(place, target);
      else if (place < 0) target.fill(-1 - place);
      return place !== 0;
    },
  };
}
