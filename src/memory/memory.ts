/** A half-open range of guest-physical addresses, in bytes: start <= a < end. */
export interface PhysicalRange {
  readonly start: number;
  readonly end: number;
}

/**
 * The guest's RAM, whatever file or process holds it. Addresses are guest-physical byte addresses
 * (below 2^52, so plain numbers). Nothing is loaded whole; every read is bounded by its caller.
 */
export interface PhysicalMemory extends Disposable {
  /** Where the bytes come from, for messages. */
  readonly path: string;
  /** Short name of the format, as `--memory-format` takes it. */
  readonly format: string;
  /** Architecture as the format states it (`x86-64`, `i386`, `aarch64`, …), undefined when it does not. */
  readonly architecture: string | undefined;
  /** What is backed by bytes, ascending, not overlapping, adjacent ones joined. */
  readonly ranges: readonly PhysicalRange[];
  /**
   * The `length` bytes at `address`. The buffer may be a window into a cache: read it, never write to it.
   * @throws OuaError `MEMORY_HOLE` when any of them is not backed, `MEMORY_TRUNCATED` when the file ends early.
   */
  read(address: number, length: number): Buffer;
  /** Like {@link read}, but into `target` and past the cache: for sweeps over much of the memory. */
  readInto(address: number, target: Buffer): void;
}
