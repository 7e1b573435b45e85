import { mkdtempSync, rmSync } from 'node:fs';
import { execFileSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ffiRsBackend } from '../../src/native/ffi-rs.js';
import { koffiBackend } from '../../src/native/koffi.js';
import {
  backendNames,
  check,
  chosenBackend,
  loadShim,
  nativeFiles,
  ShimError,
} from '../../src/native/shim.js';
import type { Signature } from '../../src/native/signatures.js';

const probe = `
#include <stdint.h>
#include <string.h>
int32_t add(int32_t a, int32_t b) { return a + b; }
int64_t wide(int64_t a) { return a + 1; }
int64_t address_low_half(int64_t a) { return a & 0xffffffff; }
int32_t bytes_of(const char *s) { return (int32_t)strlen(s); }
int32_t fill(uint8_t *b, int32_t n) { for (int32_t i = 0; i < n; i++) b[i] ^= 0xff; return n; }
int32_t oua_abi_version(void) { return -1; }
int32_t oua_struct_size(const char *name) { return name[0]; }
`;
const table = {
  add: ['i32', 'i32', 'i32'],
  wide: ['i64', 'i64'],
  address_low_half: ['i64', 'address'],
  bytes_of: ['i32', 'string'],
  fill: ['i32', 'bytes', 'i32'],
} as const satisfies Record<string, Signature>;

const withCode = (code: string) => expect.objectContaining({ code }) as unknown as Error;

const folder = mkdtempSync(join(tmpdir(), 'ouassister-native-'));
const library = join(folder, 'probe.so');
beforeAll(() => {
  execFileSync('cc', ['-shared', '-fPIC', '-x', 'c', '-o', library, '-'], { input: probe });
});
afterAll(() => rmSync(folder, { recursive: true }));

describe.each([
  ['koffi', koffiBackend],
  ['ffi-rs', ffiRsBackend],
] as const)('back end %s', (name, backend) => {
  test('carries every kind of argument and result', () => {
    const functions = backend(library, table);
    expect(functions.add(-3, 1)).toBe(-2);
    expect(functions.wide(2 ** 40)).toBe(2 ** 40 + 1);
    expect(functions.wide(-6)).toBe(-5);
    expect(functions.address_low_half(0xffff_8880_1234_5678n - (1n << 64n))).toBe(0x1234_5678);
    expect(functions.address_low_half(0x7fff_ffff_f000n)).toBe(0xffff_f000);
    expect(functions.bytes_of('naïve')).toBe(6);
  });

  test('hands over the very memory of a buffer, also of a slice and of an empty one', () => {
    const functions = backend(library, table);
    const bytes = Buffer.from([1, 2, 3, 4]);
    expect(functions.fill(bytes.subarray(1, 3), 2)).toBe(2);
    expect([...bytes]).toEqual([1, 0xfd, 0xfc, 4]);
    expect(functions.fill(Buffer.alloc(0), 0)).toBe(0);
  });

  test('refuses a library without a wanted function', () => {
    expect(() => backend(library, { ...table, missing: ['i32'] })).toThrow();
  });

  test('takes the first calls of functions from two threads at once', () => {
    const many = join(folder, 'many.so');
    const count = 3000;
    const input = Array.from({ length: count }, (_, i) => `int f${i}(int n) { return n + ${i}; }\n`).join('');
    execFileSync('cc', ['-shared', '-fPIC', '-x', 'c', '-o', many, '-'], { input });
    const program = fileURLToPath(new URL('two-threads.js', import.meta.url));
    for (let round = 0; round < 3; round++)
      execFileSync(process.execPath, [program, name, many, String(count)], { timeout: 60_000 });
  });
});

describe.each(backendNames)('shim through %s', (backend) => {
  test('loads once and has the expected layout', () => {
    const shim = loadShim(backend);
    expect(shim).toBe(loadShim(backend));
    expect(shim.oua_struct_size('no such record')).toBe(-2);
  });

  test('refuses a library that is another version or none', () => {
    expect(() => loadShim(backend, library)).toThrow(withCode('SHIM_MISMATCH'));
    expect(() => loadShim(backend, nativeFiles.stub)).toThrow(withCode('SHIM_MISMATCH'));
    expect(() => loadShim(backend, join(folder, 'absent.so'))).toThrow(withCode('SHIM_MISSING'));
  });
});

test('the environment chooses the back end', () => {
  expect(chosenBackend({})).toBe('koffi');
  expect(chosenBackend({ OUASSISTER_FFI: 'ffi-rs' })).toBe('ffi-rs');
  expect(() => chosenBackend({ OUASSISTER_FFI: 'other' })).toThrow(withCode('USAGE'));
});

test('a negative result becomes an error with the name of its errno', () => {
  expect(check('x', 5)).toBe(5);
  expect(() => check('open', -2)).toThrow(new ShimError('open', 2));
  expect(() => check('open', -2)).toThrow('open: ENOENT');
});
