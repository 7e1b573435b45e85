import { closeSync, openSync, readSync, realpathSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { z } from 'zod';
import { runTool } from '../base/command.js';
import { errnoOf, OuaError } from '../base/errors.js';
import { looksLikeQcow2, parseQcow2, qcow2HeaderBytes } from './qcow2.js';

export const diskFormats = ['raw', 'qcow2'] as const;
export type DiskFormat = (typeof diskFormats)[number];

/** One file of an image: the top one, or one that another is based on. */
export interface ImageLayer {
  /** Without symbolic links. */
  readonly path: string;
  readonly format: DiskFormat;
}

/** A backing chain longer than this is taken for a loop. */
const longestChain = 32;

/**
 * Finds the files that make up an image, top first.
 *
 * Names inside an image are not trusted: a guest with a raw disk can write a qcow2 header to it that names any
 * file of this host. So a backing file is opened only if the operator named it, too, and only in the format
 * that is stated; and QEMU gets the chain from us, never from the image.
 *
 * @param format what the image is; undefined: qcow2 when it begins like one, else raw
 * @param backing the files that images may be based on
 * @throws OuaError `FILE_MISSING`, `DISK_FORMAT`, `DISK_DAMAGED`
 */
export function imageChain(
  path: string,
  format: DiskFormat | undefined,
  backing: readonly string[],
): ImageLayer[] {
  const allowed = new Set(backing.map((file) => realPath(file)));
  const chain: ImageLayer[] = [];
  let next: { path: string; format: DiskFormat | undefined } | undefined = { path: realPath(path), format };
  while (next) {
    if (chain.length >= longestChain)
      throw new OuaError('DISK_DAMAGED', `${path}: its backing files form a loop`, 'repair the image');
    const start = readStart(next.path);
    const kind: DiskFormat = next.format ?? (looksLikeQcow2(start) ? 'qcow2' : 'raw');
    chain.push({ path: next.path, format: kind });
    next = kind === 'qcow2' ? backingOf(next.path, start, allowed) : undefined;
  }
  return chain;
}

function backingOf(path: string, start: Buffer, allowed: ReadonlySet<string>) {
  const { backingFile, backingFormat } = parseQcow2(path, start);
  if (backingFile === undefined) return undefined;
  const name = JSON.stringify(backingFile);
  const file = resolve(dirname(path), backingFile);
  const known = [...allowed].find((candidate) => candidate === file || sameFile(candidate, file));
  if (known === undefined)
    throw new OuaError(
      'DISK_FORMAT',
      `${path}: it is based on another file, ${name}`,
      'if that file belongs to the guest, name it with --backing',
    );
  const format = diskFormats.find((candidate) => candidate === backingFormat);
  if (format === undefined)
    throw new OuaError(
      'DISK_FORMAT',
      `${path}: the format of its backing file ${name} is ${backingFormat === undefined ? 'not stated' : 'not supported'}`,
      'state it with `qemu-img rebase -u -F FORMAT`',
    );
  return { path: known, format };
}

function sameFile(allowed: string, named: string): boolean {
  try {
    return realpathSync(named) === allowed;
  } catch (error) {
    if (errnoOf(error)) return false;
    throw error;
  }
}

function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch (error) {
    throw missing(path, error);
  }
}

function readStart(path: string): Buffer {
  try {
    const fd = openSync(path, 'r');
    try {
      const start = Buffer.alloc(qcow2HeaderBytes);
      return start.subarray(0, readSync(fd, start, 0, start.length, 0));
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    throw missing(path, error);
  }
}

function missing(path: string, cause: unknown): OuaError {
  return new OuaError(
    'FILE_MISSING',
    `the disk image ${path} cannot be read: ${errnoOf(cause) ?? String(cause)}`,
    'check its name and rights',
    { cause },
  );
}

/** QEMU's driver for the bytes of a file or of a block device of this host. */
function protocol(path: string): object {
  return { driver: statSync(path).isBlockDevice() ? 'host_device' : 'file', filename: path };
}

/**
 * QEMU block nodes for a chain, deepest first, as `--blockdev` takes them. The top one is called `node`.
 * Everything is read-only and every reference is explicit.
 */
export function blockNodes(chain: readonly ImageLayer[], node: string): object[] {
  return chain
    .flatMap(({ path, format }, depth) => [
      {
        driver: format,
        'node-name': depth === 0 ? node : `${node}-${depth}`,
        'read-only': true,
        file: { ...protocol(path), 'read-only': true },
        ...(format === 'qcow2' && { backing: depth + 1 < chain.length ? `${node}-${depth + 1}` : null }),
      },
    ])
    .reverse();
}

const imageInfo = z.object({ 'virtual-size': z.int().nonnegative() });

/** Bytes that the guest sees. @throws OuaError `DISK_DAMAGED` */
export async function virtualSize(top: ImageLayer, signal?: AbortSignal): Promise<number> {
  const options = {
    driver: top.format,
    file: protocol(top.path),
    ...(top.format === 'qcow2' && { backing: null }),
  };
  try {
    // Not `-f`: only this form keeps QEMU from opening what the header names.
    const text = await runTool(
      'qemu-img',
      ['info', '--force-share', '--output=json', `json:${JSON.stringify(options)}`],
      { ...(signal && { cancelSignal: signal }) },
    );
    return imageInfo.parse(JSON.parse(text))['virtual-size'];
  } catch (error) {
    if (signal?.aborted || (error instanceof OuaError && error.code !== 'HOST_FAILED')) throw error;
    throw new OuaError(
      'DISK_DAMAGED',
      `${top.path} cannot be opened as ${top.format}: ${String(error)}`,
      'check the image with `qemu-img check`',
      { cause: error },
    );
  }
}
