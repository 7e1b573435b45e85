import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { OuaError } from '../../src/base/errors.js';
import { openGuest } from '../../src/guest/open.js';
import type { Guest } from '../../src/guest/guest.js';
import { kallsymsAt } from '../../src/kernel/locate.js';
import { buildProfile, openKernel } from '../../src/kernel/open.js';
import { checkProfile } from '../../src/kernel/profile-check.js';
import {
  profileFileName,
  readProfile,
  sealProfile,
  shippedProfiles,
  writeProfile,
  type Profile,
  type ProfileContent,
} from '../../src/kernel/profile.js';
import type { PhysicalMemory } from '../../src/memory/memory.js';
import { openMemory } from '../../src/memory/open.js';
import { suspendedGuest } from '../lab/suspended.js';
import { BufferMemory, MutatedMemory } from '../memory/buffer-memory.js';

let memory: PhysicalMemory;
let profile: Profile;

beforeAll(async () => {
  memory = await openMemory((await suspendedGuest()).memory);
  profile = buildProfile(memory);
});

afterAll(() => memory[Symbol.dispose]());

function refusal(action: () => unknown): OuaError {
  try {
    action();
  } catch (error) {
    if (error instanceof OuaError) return error;
    throw error;
  }
  throw new Error('nothing was refused');
}

/** What a guest says, as text that can be compared. */
function answers(guest: Guest): string {
  const all = [
    guest.uts,
    guest.processes(),
    guest.modules(),
    guest.mounts(),
    guest.memInfo(),
    guest.fileLocks(),
    guest.unwrittenFiles(),
    [...guest.sysctls()],
  ];
  return JSON.stringify(all, (_, value: unknown) => (typeof value === 'bigint' ? `${value}` : value));
}

describe('profiles', () => {
  test('a guest opened with its profile says the same as one without', () => {
    expect(answers(openGuest(memory, { profile }))).toBe(answers(openGuest(memory)));
    expect(checkProfile(memory, profile)).toEqual([]);
  });

  test('the shipped profile of this kernel is found by its banner, and is what the guest itself tells', () => {
    const path = join(shippedProfiles, profileFileName(profile.release, profile.banner));
    // The lab may have a newer kernel than the one that the profile was made for.
    const opened = openKernel(memory, { profileDirectory: shippedProfiles });
    expect(opened.profile).toEqual(existsSync(path) ? readProfile(path) : profile);
    expect(opened.profile).toEqual(profile);
  });

  test('an installed profile of another version of the program is for guests that cannot describe themselves', () => {
    const folder = mkdtempSync(join(tmpdir(), 'ouassister-profiles-'));
    try {
      const content: Partial<Profile> = { ...profile, reader: '0'.repeat(16) };
      delete (content as { digest?: string }).digest;
      const outdated = sealProfile(content as ProfileContent);
      writeProfile(folder, outdated);
      expect(openKernel(memory, { profileDirectory: folder }).profile).toEqual(profile);
      const kernel = openKernel(memory);
      const btf = kallsymsAt(memory, kernel.location.banner)?.kallsyms.address('__start_BTF') ?? 0n;
      const mute = new MutatedMemory(memory, [[kernel.location.space.translate(btf) ?? 0, 0]]);
      expect(openKernel(mute, { profileDirectory: folder }).profile).toEqual(outdated);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test("another kernel's profile is refused", () => {
    const other = sealProfile({ ...profile, banner: profile.banner.replace('#1', '#2') });
    expect(refusal(() => openKernel(memory, { profile: other })).code).toBe('PROFILE_MISMATCH');
    expect(checkProfile(memory, other)).toContainEqual(expect.objectContaining({ kind: 'error' }));
  });

  test('a build of the same banner, but other code, is refused', () => {
    const moved = (name: string) =>
      sealProfile({
        ...profile,
        symbols: {
          ...profile.symbols,
          [name]: `0x${(BigInt(profile.symbols[name] ?? 0) + 0x1000n).toString(16)}`,
        },
      });
    for (const name of ['init_task', 'init_top_pgt', 'init_uts_ns', '__start_notes'])
      expect(refusal(() => openKernel(memory, { profile: moved(name) })).code).toMatch(
        /^(PROFILE_MISMATCH|GUEST_INCONSISTENT)$/,
      );
    const rebuilt = sealProfile({ ...profile, buildId: '00'.repeat(20) });
    expect(refusal(() => openKernel(memory, { profile: rebuilt })).code).toBe('PROFILE_MISMATCH');
  });

  test('checkProfile names the values that are wrong', () => {
    const task = profile.structs['task_struct'];
    if (!task) throw new Error('no task_struct');
    const wrong = sealProfile({
      ...profile,
      structs: { ...profile.structs, task_struct: { ...task, members: { ...task.members, utime: [8, 8] } } },
    });
    expect(checkProfile(memory, wrong)).toEqual([
      { kind: 'error', what: expect.stringContaining('member of task_struct: utime') as string },
    ]);
  });
});

describe('images that hold no kernel that we can read', () => {
  test('memory without a kernel', () => {
    expect(refusal(() => openKernel(new BufferMemory(Buffer.alloc(8 << 20)))).code).toBe('KERNEL_NOT_FOUND');
  });

  test('a banner alone, as in a log', () => {
    const bytes = Buffer.alloc(8 << 20);
    bytes.write(`${profile.banner}\0`, 0x300100, 'latin1');
    expect(refusal(() => openKernel(new BufferMemory(bytes))).code).toBe('KERNEL_UNSUPPORTED');
  });

  test('another architecture', () => {
    const other = new MutatedMemory(memory, []);
    Object.defineProperty(other, 'architecture', { value: 'riscv' });
    const error = refusal(() => openKernel(other));
    expect([error.code, error.message]).toEqual(['KERNEL_UNSUPPORTED', expect.stringContaining('riscv')]);
    Object.defineProperty(other, 'architecture', { value: 'aarch64' });
    expect(refusal(() => openKernel(other)).code).toBe('KERNEL_UNSUPPORTED');
  });

  test('a kernel whose type information is gone', () => {
    const kernel = openKernel(memory);
    const start = kallsymsAt(memory, kernel.location.banner)?.kallsyms.address('__start_BTF');
    const physical = kernel.location.space.translate(start ?? 0n);
    if (physical === undefined) throw new Error('no __start_BTF');
    const damaged = new MutatedMemory(memory, [[physical, 0]]);
    expect(refusal(() => openKernel(damaged)).code).toBe('GUEST_INCONSISTENT');
    expect(openKernel(damaged, { profile }).release).toBe(kernel.release);
  });
});

describe('damaged memory', () => {
  test('is read, or refused with a reason, and ends', () => {
    const truth = openKernel(memory, { profile });
    let refused = 0;
    // A fixed sequence: the same bytes of the same structures in every run.
    let seed = 12345;
    const random = (below: number) => {
      seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
      return Math.floor((seed / 2 ** 32) * below);
    };
    const physical = (address: bigint) => truth.location.space.translate(address) ?? 0;
    const tasks = truth.symbol('init_task') + BigInt(truth.offset('task_struct', 'tasks'));
    const first = truth.container('task_struct', 'tasks', truth.pointer(tasks));
    const mm = truth.view('mm_struct', first.pointer('mm'));
    const places = [
      ...['file_systems', 'modules', 'init_uts_ns', 'node_data'].map((name) => physical(truth.symbol(name))),
      ...[
        tasks,
        first.at('pid'),
        first.at('signal'),
        first.at('real_cred'),
        first.at('mm'),
        mm.at('exe_file'),
      ].map(physical),
      physical(truth.pointer(truth.symbol('modules'))),
      physical(truth.pointer(truth.symbol('file_systems'))),
      physical(first.pointer('nsproxy')),
      physical(first.pointer('signal')),
      truth.location.root + 0x800,
    ];
    for (let run = 0; run < 45; run++) {
      const place = places[run % places.length] ?? 0;
      const changes = Array.from(
        { length: 6 },
        () => [place + random(run < 15 ? 8 : 64), random(256)] as const,
      );
      try {
        const guest = openGuest(new MutatedMemory(memory, changes), { profile });
        for (const answer of [
          () => guest.processes(),
          () => guest.modules(),
          () => guest.mounts(),
          () => guest.fileSystemTypes(),
          () => guest.memInfo(),
          () => guest.sysctls(),
          () => guest.uptime(),
        ]) {
          try {
            answer();
          } catch (error) {
            refused++;
            expect(error).toBeInstanceOf(OuaError);
          }
        }
      } catch (error) {
        refused++;
        expect(error).toBeInstanceOf(OuaError);
      }
    }
    expect(refused).toBeGreaterThan(10);
  });
});
