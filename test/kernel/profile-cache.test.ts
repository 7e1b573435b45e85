import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { btfPlace } from '../../src/kernel/profile-build.js';
import { kallsymsAt } from '../../src/kernel/locate.js';
import { openKernel } from '../../src/kernel/open.js';
import { cachedProfile, keepProfile, profileCacheFolder } from '../../src/kernel/profile-cache.js';
import { sealProfile, type Profile, type ProfileContent } from '../../src/kernel/profile.js';
import type { PhysicalMemory } from '../../src/memory/memory.js';
import { openMemory } from '../../src/memory/open.js';
import { suspendedGuest } from '../lab/suspended.js';
import { BufferMemory, MutatedMemory } from '../memory/buffer-memory.js';

let memory: PhysicalMemory;
let folder: string;

beforeAll(async () => {
  memory = await openMemory((await suspendedGuest()).memory);
});

afterAll(() => memory[Symbol.dispose]());

beforeEach(() => {
  folder = join(mkdtempSync(join(tmpdir(), 'ouassister-cache-')), 'profiles');
});

afterEach(() => rmSync(join(folder, '..'), { recursive: true }));

const open = (image: PhysicalMemory = memory) => openKernel(image, { profileCache: folder });

describe('derived profiles', () => {
  test('are kept for the user alone, and taken again for the same bytes', () => {
    const first = open();
    const [entry, ...more] = readdirSync(folder);
    expect([statSync(folder).mode & 0o777, more]).toEqual([0o700, []]);
    expect(statSync(join(folder, entry!)).mode & 0o777).toBe(0o600);
    expect(cachedProfile(folder, memory, first.location.banner)).toEqual(first.profile);
    expect(open().profile).toEqual(first.profile);
    expect(readdirSync(folder)).toEqual([entry]);
  });

  test('of a guest that states the same banner, but is another kernel, are not taken for this one', () => {
    const truth = openKernel(memory);
    const hit = truth.location.banner;
    const symbol = (name: string) => kallsymsAt(memory, hit)?.kallsyms.address(name);
    const btf = btfPlace(truth.location, symbol)!;
    // One byte of the type information differs: the last of its strings.
    const hostile = new MutatedMemory(memory, [[btf.physical + btf.length - 2, 0x21]]);
    const evidence = [{ offset: btf.physical - hit.physical, length: btf.length }];
    const content: Partial<Profile> = { ...truth.profile };
    delete (content as { digest?: string }).digest;
    const lie = sealProfile({ ...(content as ProfileContent), enums: {} });
    keepProfile(folder, hostile, hit, evidence, lie);
    expect(cachedProfile(folder, hostile, hit)).toEqual(lie);
    expect(cachedProfile(folder, memory, hit)).toBeUndefined();
    expect(open().profile).toEqual(truth.profile);
  });

  test('that are damaged, linked, or writable by others are derived anew', () => {
    const first = open();
    const hit = first.location.banner;
    const path = join(folder, readdirSync(folder)[0]!);
    const text = readFileSync(path, 'utf8');
    const refused = () => expect(cachedProfile(folder, memory, hit)).toBeUndefined();
    const spoilt = [
      text.slice(0, 1000),
      '{}',
      text.replace(/"reader":"..../, '"reader":"0000'),
      text.replace(/"offset":-?\d+/, '"offset":1e15'),
      text.replace(/"init_task":"0x/, '"init_task":"0x1'),
      text.replace(/"length":/, '"length":-'),
      text.replace(/"digest":"[^"]*","profile"/, '"digest":null,"profile"'),
      text.replace(/"evidence":\[.*?\]/, '"evidence":{}'),
      text.replace(/"profile":.*$/, '"profile":null}'),
      'null',
    ];
    for (const other of spoilt) {
      writeFileSync(path, other);
      refused();
      expect(open().profile).toEqual(first.profile);
      expect(readFileSync(path, 'utf8')).toBe(text);
    }
    chmodSync(path, 0o622);
    refused();
    chmodSync(path, 0o600);
    rmSync(path);
    writeFileSync(join(folder, '..', 'elsewhere'), text, { mode: 0o600 });
    symlinkSync('../elsewhere', path);
    refused();
    rmSync(path);
    writeFileSync(path, text, { mode: 0o600 });
    expect(cachedProfile(folder, memory, hit)).toEqual(first.profile);
    chmodSync(folder, 0o777);
    refused();
  });

  test('do not pile up', () => {
    mkdirSync(folder, { mode: 0o700 });
    for (let index = 0; index < 80; index++) {
      writeFileSync(join(folder, `old-${index}.json`), '{}');
      utimesSync(join(folder, `old-${index}.json`), 1000 + index, 1000 + index);
    }
    const { location } = open();
    expect(readdirSync(folder).length).toBe(64);
    expect(cachedProfile(folder, memory, location.banner)).toBeDefined();
  });

  test('are no matter where there is no folder, or no memory behind the evidence', () => {
    writeFileSync(folder, 'a file');
    expect(open().release).toBeDefined();
    const hit = open().location.banner;
    expect(cachedProfile(join(folder, 'no-such'), memory, hit)).toBeUndefined();
    expect(
      cachedProfile(join(folder, '..'), new BufferMemory(Buffer.alloc(4096)), { ...hit, physical: 0 }),
    ).toBeUndefined();
  });
});

test('the folder is the XDG cache', () => {
  expect(profileCacheFolder({ XDG_CACHE_HOME: '/x' })).toBe('/x/ouassister/profiles');
  expect(profileCacheFolder({})).toMatch(/\/\.cache\/ouassister\/profiles$/);
});
