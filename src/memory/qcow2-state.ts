import { isQcow2 } from './marks.js';
import { truncated, unreadable } from './refusals.js';
import type { ByteSource } from './source.js';

const headerSize = 104;
const snapshotHeader = 40;
/** The least that a snapshot says besides: the long size of the VM's state, and the disk's size then. */
const extraSize = 16;
const maxSnapshots = 65_536;
const maxL1 = 4 * 1024 * 1024;
const offsetMask = 0x00ff_ffff_ffff_fe00n;
const compressed = 1n << 62n;
const zero = 1n;
/** Incompatible features of the header: a damaged image, data in another file, and sub-clusters. */
const refusedFeatures: readonly (readonly [bit: bigint, words: string])[] = [
  [1n << 1n, 'it is marked as corrupt'],
  [1n << 2n, 'its data is in another file'],
  [1n << 4n, 'it has sub-clusters'],
];

/**
 * The state of a VM in an internal snapshot of a qcow2 image (QEMU's `savevm`): a migration stream that lies behind the
 * disk's end in the snapshot's clusters (docs/interop/qcow2.txt; l1_vm_state_index in block/qcow2.h).
 *
 * In memory: the snapshot's first table, 8 bytes for each 512 MiB, and one table of the second level.
 */
export class Qcow2State implements ByteSource {
  readonly path: string;
  readonly size: number;
  readonly #file: ByteSource;
  readonly #clusterSize: number;
  readonly #l1: Buffer;
  /** Where the state begins in the snapshot's disk. */
  readonly #start: number;
  #l2: Buffer | undefined;
  #l2Number = -1;

  /**
   * Takes charge of the file.
   * @param name of the snapshot, or its id; may be left out when only one has a VM's state
   * @throws OuaError `MEMORY_FORMAT` when it is not clear which one, or for an image of a kind that is not read
   */
  constructor(file: ByteSource, name: string | undefined) {
    this.path = file.path;
    this.#file = file;
    const header = file.read(0, headerSize);
    if (!isQcow2(header)) throw unreadable(file.path, 'it is no qcow2 image');
    const version = header.readUInt32BE(4);
    const features = version >= 3 ? header.readBigUInt64BE(72) : 0n;
    const refused = refusedFeatures.find(([bit]) => (features & bit) !== 0n);
    if (refused) throw unreadable(file.path, refused[1]);
    if (version < 2 || version > 3 || header.readUInt32BE(32) !== 0)
      throw unreadable(file.path, 'it is encrypted, or a qcow2 image of another version');
    const clusterBits = header.readUInt32BE(20);
    if (clusterBits < 9 || clusterBits > 21)
      throw unreadable(file.path, `it has clusters of 2^${clusterBits} bytes`);
    const snapshot = choose(file.path, readSnapshots(file, header), name);
    this.#clusterSize = 2 ** clusterBits;
    const perTable = this.#clusterSize * (this.#clusterSize / 8);
    this.#start = Math.ceil(snapshot.diskSize / perTable) * perTable;
    if (snapshot.l1Size > maxL1) throw unreadable(file.path, 'its table of clusters is too large');
    this.#l1 = file.read(snapshot.l1Offset, snapshot.l1Size * 8);
    this.size = snapshot.stateSize;
  }

  readInto(offset: number, target: Buffer): void {
    if (offset + target.length > this.size) throw truncated(this.path, offset + target.length, this.size);
    for (let done = 0; done < target.length;) {
      const at = this.#start + offset + done;
      const within = at % this.#clusterSize;
      const count = Math.min(target.length - done, this.#clusterSize - within);
      const part = target.subarray(done, done + count);
      const cluster = this.#clusterAt((at - within) / this.#clusterSize);
      if (cluster === 0) part.fill(0);
      else this.#file.readInto(cluster + within, part);
      done += count;
    }
  }

  read(offset: number, length: number): Buffer {
    if (offset + length > this.size) throw truncated(this.path, offset + length, this.size);
    const target = Buffer.allocUnsafe(length);
    this.readInto(offset, target);
    return target;
  }

  [Symbol.dispose](): void {
    this.#file[Symbol.dispose]();
  }

  /** Where a cluster's bytes are in the file; 0 for one of zeros. */
  #clusterAt(number: number): number {
    const perTable = this.#clusterSize / 8;
    const index = number % perTable;
    const table = this.#table((number - index) / perTable);
    const entry = table?.readBigUInt64BE(index * 8) ?? 0n;
    if ((entry & compressed) !== 0n) throw unreadable(this.path, 'the state in it is compressed');
    return (entry & zero) === 0n ? Number(entry & offsetMask) : 0;
  }

  #table(number: number): Buffer | undefined {
    if (this.#l2Number === number) return this.#l2;
    const at = number * 8 < this.#l1.length ? this.#l1.readBigUInt64BE(number * 8) & offsetMask : 0n;
    this.#l2 = at === 0n ? undefined : this.#file.read(Number(at), this.#clusterSize);
    this.#l2Number = number;
    return this.#l2;
  }
}

interface Snapshot {
  readonly id: string;
  readonly name: string;
  readonly l1Offset: number;
  readonly l1Size: number;
  readonly stateSize: number;
  readonly diskSize: number;
}

/** The image's snapshots that have a VM's state. */
function readSnapshots(file: ByteSource, header: Buffer): Snapshot[] {
  const count = header.readUInt32BE(60);
  if (count > maxSnapshots) throw unreadable(file.path, `it claims ${count} snapshots`);
  const snapshots: Snapshot[] = [];
  let at = Number(header.readBigUInt64BE(64));
  for (let index = 0; index < count; index++) {
    const head = file.read(at, snapshotHeader);
    const [idLength, nameLength] = [head.readUInt16BE(12), head.readUInt16BE(14)];
    const extraLength = head.readUInt32BE(36);
    if (extraLength > 1024) throw unreadable(file.path, `its snapshot ${index} is damaged`);
    const rest = file.read(at + snapshotHeader, extraLength + idLength + nameLength);
    const long = extraLength >= extraSize;
    const stateSize = long ? Number(rest.readBigUInt64BE(0)) : head.readUInt32BE(32);
    if (stateSize > 0)
      snapshots.push({
        id: rest.toString('utf8', extraLength, extraLength + idLength),
        name: rest.toString('utf8', extraLength + idLength),
        l1Offset: Number(head.readBigUInt64BE(0)),
        l1Size: head.readUInt32BE(8),
        stateSize,
        diskSize: Number(long ? rest.readBigUInt64BE(8) : header.readBigUInt64BE(24)),
      });
    at += Math.ceil((snapshotHeader + rest.length) / 8) * 8;
  }
  return snapshots;
}

function choose(path: string, snapshots: readonly Snapshot[], wanted: string | undefined): Snapshot {
  const fitting =
    wanted === undefined ? snapshots : snapshots.filter(({ id, name }) => name === wanted || id === wanted);
  const [first] = fitting;
  if (first && fitting.length === 1) return first;
  const names = snapshots.map(({ name }) => name).join(', ');
  throw unreadable(
    path,
    first
      ? `it has several snapshots with a VM's state (${names})`
      : `it has no snapshot ${wanted === undefined ? '' : `'${wanted}' `}with a VM's state`,
    first ? 'name one: --memory-format savevm:NAME' : 'see what it has: qemu-img snapshot -l',
  );
}
