import type { PhysicalMemory } from '../../../src/memory/memory.js';

/**
 * A second reader of guests, to compare the first with: as plain as it can be, and with none of its code. It is told
 * where the running kernel is and what its structs look like, believes what it finds there, and checks nothing but
 * that walks end. x86-64, and kernels whose mount namespaces have a list (up to 6.7).
 */
export interface Anchor {
  /** Physical address of the top-level page table. */
  readonly root: number;
  readonly levels: 4 | 5;
  /** What KASLR added to the addresses of the image's symbols. */
  readonly shift: bigint;
  /** Addresses as linked, in hexadecimal. */
  readonly symbols: Readonly<Record<string, string>>;
  readonly enums: Readonly<Record<string, number>>;
  readonly structs: Readonly<
    Record<string, { readonly members: Readonly<Record<string, readonly number[]>> }>
  >;
}

/** What the second reader cannot read. */
export class Unreadable extends Error {}

const present = 1n;
const pageSizeBit = 0x80n;
/** Bits 12 to 51 of a page-table entry. */
const frameBits = 0x000f_ffff_ffff_f000n;
const imageStart = 0xffffffff81000000n;
const PF_KTHREAD = 0x00200000;
const PF_WQ_WORKER = 0x20;
const mostEntries = 100_000;
const longestText = 65_536;

export class SecondReader {
  readonly #pages = new Map<bigint, number | undefined>();

  constructor(
    readonly memory: PhysicalMemory,
    readonly anchor: Anchor,
  ) {}

  /** One line for each process: `pid ppid uid euid name`. */
  processes(): string[] {
    const rows = [...this.#tasks()].map((task) => {
      const parent = this.#pointer(task, 'task_struct', 'real_parent');
      const cred = this.#pointer(task, 'task_struct', 'real_cred');
      const pid = this.#int(task, 'task_struct', 'pid');
      const line = [
        pid,
        this.#int(parent, 'task_struct', 'tgid'),
        this.#uint(cred, 'cred', 'uid'),
        this.#uint(cred, 'cred', 'euid'),
        this.#taskName(task),
      ].join(' ');
      return { pid, line };
    });
    return rows.sort((a, b) => a.pid - b.pid).map(({ line }) => line);
  }

  /** One line for each module: `name size users refcount`. */
  modules(): string[] {
    const lines: string[] = [];
    for (const link of this.#ring(this.#symbol('modules'))) {
      const module = link - this.#offset('module', 'list');
      if (this.#uint(module, 'module', 'state') === this.anchor.enums['MODULE_STATE_UNFORMED']) continue;
      lines.push(
        [
          this.#array(module, 'module', 'name'),
          this.#uint(module, 'module', 'core_size') + this.#uint(module, 'module', 'init_size'),
          this.#users(module).join(','),
          this.#int(module, 'module', 'refcnt') - 1,
        ].join(' '),
      );
    }
    return lines;
  }

  /** One line for each mount that init sees: `id parent device point type source`. */
  mounts(): string[] {
    const init = this.#init();
    const namespace = this.#pointer(this.#pointer(init, 'task_struct', 'nsproxy'), 'nsproxy', 'mnt_ns');
    const root = this.#pointer(init, 'task_struct', 'fs') + this.#offset('fs_struct', 'root');
    const lines: string[] = [];
    for (const link of this.#ring(namespace + this.#offset('mnt_namespace', 'list'))) {
      const mount = link - this.#offset('mount', 'mnt_list');
      const superBlock = this.#pointer(this.#vfs(mount), 'vfsmount', 'mnt_sb');
      if (superBlock === 0n) continue;
      const point = this.#mountPoint(mount, root);
      if (point === undefined) continue;
      lines.push(this.#describeMount(mount, superBlock, point));
    }
    return lines;
  }

  /** The physical addresses of the page-table entries on the way to an address, and where it leads, if anywhere. */
  walk(address: bigint): { readonly entries: readonly number[]; readonly physical: number | undefined } {
    const entries: number[] = [];
    const { levels } = this.anchor;
    const signed = BigInt.asIntN(64, address);
    const canonical = BigInt.asIntN(levels === 5 ? 57 : 48, address) === signed;
    let table = this.anchor.root;
    for (let shift = 12n + 9n * BigInt(levels - 1); canonical; shift -= 9n) {
      const at = table + Number((address >> shift) & 511n) * 8;
      entries.push(at);
      const entry = this.memory.read(at, 8).readBigUInt64LE(0);
      if (!(entry & present)) break;
      const large = (entry & pageSizeBit) !== 0n && shift > 12n;
      if (large && shift > 30n) break;
      if (large || shift === 12n) {
        const inside = (1n << shift) - 1n;
        return { entries, physical: Number((entry & frameBits & ~inside) | (address & inside)) };
      }
      table = Number(entry & frameBits);
    }
    return { entries, physical: undefined };
  }

  *#tasks(): Generator<bigint> {
    const tasks = this.#offset('task_struct', 'tasks');
    for (const link of this.#ring(this.#symbol('init_task') + tasks)) yield link - tasks;
  }

  /** What is behind it in the list has no part in it. */
  #init(): bigint {
    for (const task of this.#tasks()) if (this.#int(task, 'task_struct', 'pid') === 1) return task;
    throw new Unreadable('there is no init');
  }

  /** `/proc/<pid>/comm`: of a kernel thread its full name, of a worker with what it works on. */
  #taskName(task: bigint): string {
    const comm = this.#array(task, 'task_struct', 'comm');
    const flags = this.#uint(task, 'task_struct', 'flags');
    const thread =
      flags & PF_KTHREAD && this.#has('task_struct', 'worker_private')
        ? this.#pointer(task, 'task_struct', 'worker_private')
        : 0n;
    if (thread === 0n) return comm;
    if (!(flags & PF_WQ_WORKER)) {
      const name = this.#has('kthread', 'full_name') ? this.#pointer(thread, 'kthread', 'full_name') : 0n;
      return name === 0n ? comm : this.#text(name);
    }
    const worker = this.#pointer(thread, 'kthread', 'data');
    if (worker === 0n) return comm;
    const work = this.#array(worker, 'worker', 'desc');
    if (work === '' || this.#pointer(worker, 'worker', 'pool') === 0n) return comm;
    return `${comm}${this.#pointer(worker, 'worker', 'current_work') === 0n ? '-' : '+'}${work}`;
  }

  #users(module: bigint): string[] {
    const users: string[] = [];
    for (const link of this.#ring(module + this.#offset('module', 'source_list'))) {
      const use = link - this.#offset('module_use', 'source_list');
      users.push(this.#array(this.#pointer(use, 'module_use', 'source'), 'module', 'name'));
    }
    const starts = this.#pointer(module, 'module', 'init') !== 0n;
    const ends = !this.#has('module', 'exit') || this.#pointer(module, 'module', 'exit') !== 0n;
    return starts && !ends ? [...users, '[permanent]'] : users;
  }

  #describeMount(mount: bigint, superBlock: bigint, point: string): string {
    const device = this.#uint(superBlock, 'super_block', 's_dev');
    const type = this.#pointer(superBlock, 'super_block', 's_type');
    const subtype = this.#pointer(superBlock, 'super_block', 's_subtype');
    const source = this.#pointer(mount, 'mount', 'mnt_devname');
    return [
      this.#int(mount, 'mount', 'mnt_id'),
      this.#int(this.#pointer(mount, 'mount', 'mnt_parent'), 'mount', 'mnt_id'),
      `${device >>> 20}:${device & 0xfffff}`,
      point,
      this.#text(this.#pointer(type, 'file_system_type', 'name')) +
        (subtype === 0n ? '' : `.${this.#text(subtype)}`),
      source === 0n ? 'none' : this.#text(source),
    ].join(' ');
  }

  /** The path from a root directory to where a mount is, undefined when that is outside. `root` is a struct path. */
  #mountPoint(mount: bigint, root: bigint): string | undefined {
    const rootMount = this.#pointer(root, 'path', 'mnt');
    const rootDentry = this.#pointer(root, 'path', 'dentry');
    let vfs = this.#vfs(mount);
    let dentry = this.#pointer(vfs, 'vfsmount', 'mnt_root');
    let path = '';
    for (let steps = 0; vfs !== rootMount || dentry !== rootDentry; steps++) {
      if (steps > mostEntries) throw new Unreadable('a path does not end');
      if (dentry === this.#pointer(vfs, 'vfsmount', 'mnt_root')) {
        const inner = vfs - this.#offset('mount', 'mnt');
        const outer = this.#pointer(inner, 'mount', 'mnt_parent');
        if (outer === inner) return undefined;
        dentry = this.#pointer(inner, 'mount', 'mnt_mountpoint');
        vfs = this.#vfs(outer);
      } else {
        const parent = this.#pointer(dentry, 'dentry', 'd_parent');
        if (parent === dentry) return undefined;
        path = `/${this.#dentryName(dentry)}${path}`;
        dentry = parent;
      }
    }
    return path === '' ? '/' : path;
  }

  #dentryName(dentry: bigint): string {
    const length = this.#uint(dentry, 'dentry', 'd_name_len');
    return this.#bytes(this.#pointer(dentry, 'dentry', 'd_name'), length).toString('utf8');
  }

  #vfs(mount: bigint): bigint {
    return mount + this.#offset('mount', 'mnt');
  }

  #symbol(name: string): bigint {
    const text = this.anchor.symbols[name];
    if (text === undefined) throw new Unreadable(`there is no symbol ${name}`);
    return BigInt(text) >= imageStart ? BigInt(text) + this.anchor.shift : BigInt(text);
  }

  #has(struct: string, member: string): boolean {
    return this.anchor.structs[struct]?.members[member] !== undefined;
  }

  #offset(struct: string, member: string): bigint {
    const offset = this.anchor.structs[struct]?.members[member]?.[0];
    if (offset === undefined) throw new Unreadable(`there is no ${struct}.${member}`);
    return BigInt(offset);
  }

  #pointer(address: bigint, struct: string, member: string): bigint {
    return this.#word(address + this.#offset(struct, member));
  }

  #int(address: bigint, struct: string, member: string): number {
    return this.#bytes(address + this.#offset(struct, member), 4).readInt32LE(0);
  }

  #uint(address: bigint, struct: string, member: string): number {
    return this.#bytes(address + this.#offset(struct, member), 4).readUInt32LE(0);
  }

  /** The text in an array of char that is a member. */
  #array(address: bigint, struct: string, member: string): string {
    const size = this.anchor.structs[struct]?.members[member]?.[1] ?? 0;
    const bytes = this.#bytes(address + this.#offset(struct, member), size);
    const end = bytes.indexOf(0);
    return bytes.toString('utf8', 0, end < 0 ? size : end);
  }

  #text(address: bigint): string {
    for (let length = 64; length <= longestText; length *= 2) {
      // A text may end right before memory that is not mapped.
      const bytes = this.#bytesUpTo(address, length);
      const end = bytes.indexOf(0);
      if (end >= 0) return bytes.toString('utf8', 0, end);
      if (bytes.length < length) break;
    }
    throw new Unreadable('a text does not end');
  }

  *#ring(head: bigint): Generator<bigint> {
    let count = 0;
    for (let at = this.#word(head); at !== head; at = this.#word(at)) {
      if (++count > mostEntries) throw new Unreadable('a ring does not close');
      yield at;
    }
  }

  #word(address: bigint): bigint {
    return this.#bytes(address, 8).readBigUInt64LE(0);
  }

  #bytes(address: bigint, length: number): Buffer {
    const bytes = this.#bytesUpTo(address, length);
    if (bytes.length < length) throw new Unreadable(`nothing is mapped at 0x${address.toString(16)}`);
    return bytes;
  }

  /** The bytes at an address, up to the first page that is not there. */
  #bytesUpTo(address: bigint, length: number): Buffer {
    if (length > longestText) throw new Unreadable(`${length} bytes are too many`);
    const parts: Buffer[] = [];
    for (let done = 0; done < length;) {
      const at = BigInt.asUintN(64, address + BigInt(done));
      const inPage = Number(at & 4095n);
      const page = this.#page(at - BigInt(inPage));
      if (page === undefined) break;
      const count = Math.min(length - done, 4096 - inPage);
      parts.push(this.memory.read(page + inPage, count));
      done += count;
    }
    return parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts);
  }

  #page(virtual: bigint): number | undefined {
    if (!this.#pages.has(virtual)) this.#pages.set(virtual, this.walk(virtual).physical);
    return this.#pages.get(virtual);
  }
}
