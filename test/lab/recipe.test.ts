import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { cached, cacheFolder } from './cache.js';
import { captureScript } from './captures.js';
import { mirrorsOf } from './mirrors.js';
import { defaultRecipe, imageHash, planImage, type Recipe } from './recipe.js';

const mirrors = {
  main: 'http://mirror.test/debian/',
  security: 'http://mirror.test/security/',
  aptOptions: [],
};

describe('a recipe', () => {
  const hash = (recipe: Partial<Recipe>, from: Parameters<typeof planImage>[1] = mirrors) =>
    imageHash(planImage({ ...defaultRecipe, ...recipe }, from));

  test('has the same hash every time, and another one for whatever changes the image', () => {
    const hashes = [
      hash({}),
      hash({ suite: 'trixie' }),
      hash({ kernel: 'linux-image-amd64' }),
      hash({ packages: ['nginx'] }),
      hash({ layout: 'whole-disk' }),
      hash({ pending: [] }),
      hash({ repacked: [] }),
      hash({ archive: { for: 'install', packages: ['nginx'] } }),
      hash({ archive: { for: 'upgrade', packages: ['nginx'] } }),
      hash({ without: ['tzdata'] }),
      hash({ settings: { 'etc/motd': 'Welcome\n' } }),
      hash({}, { ...mirrors, main: 'http://other.test/' }),
      hash({}, { ...mirrors, aptOptions: ['Acquire::Check-Date "false";'] }),
    ];
    expect(hash({})).toBe(hashes[0]);
    expect(new Set(hashes).size).toBe(hashes.length);
  });

  test('builds without the security archive and leaves the guest with it', () => {
    const plan = planImage(defaultRecipe, mirrors);
    expect(plan.buildSource).toContain(mirrors.main);
    expect(plan.buildSource).not.toContain('security');
    const sources = plan.late['etc/apt/sources.list.d/debian.sources'];
    expect(sources).toContain(`URIs: ${mirrors.security}\nSuites: bookworm-security`);
    expect(planImage(defaultRecipe, { ...mirrors, security: undefined }).late).not.toHaveProperty(
      'etc/apt/sources.list.d/debian.sources',
      expect.stringContaining('security'),
    );
  });
});

describe('mirrors', () => {
  test('are picked from apt by release, whatever else is configured', () => {
    expect(
      mirrorsOf(
        [
          'Packages http://third.test/apt/ nodistro main',
          'Translations http://wrong.test/ bookworm main',
          'Packages http://mirror.test/debian/ bookworm contrib',
          'Packages http://mirror.test/debian/ bookworm-updates main',
          'Packages http://mirror.test/debian/ bookworm main',
          'Packages http://mirror.test/security/ bookworm-security main',
        ].join('\n'),
      ),
    ).toEqual({ main: 'http://mirror.test/debian/', security: 'http://mirror.test/security/' });
  });

  test('may lack a security archive, or everything', () => {
    expect(mirrorsOf('Packages http://mirror.test/ sid main')).toEqual({
      main: 'http://mirror.test/',
      security: undefined,
    });
    expect(mirrorsOf('')).toEqual({ main: undefined, security: undefined });
  });
});

describe('the cache', () => {
  let folder: string;
  let before: string | undefined;
  beforeEach(async () => {
    before = process.env.OUASSISTER_CACHE;
    folder = await mkdtemp(join(tmpdir(), 'ouassister-cache-'));
    process.env.OUASSISTER_CACHE = folder;
  });
  afterEach(async () => {
    if (before === undefined) delete process.env.OUASSISTER_CACHE;
    else process.env.OUASSISTER_CACHE = before;
    await rm(folder, { recursive: true });
  });

  test('builds once, also when several ask at the same time', async () => {
    let builds = 0;
    const get = () =>
      cached(
        'things',
        'abc',
        () => undefined,
        async (building) => {
          builds++;
          await writeFile(join(building, 'file'), '');
        },
      );
    const folders = await Promise.all([get(), get(), get()]);
    expect(new Set(folders)).toEqual(new Set([join(folder, 'things/abc')]));
    expect(builds).toBe(1);
    expect(await readdir(join(folder, 'things/abc'))).toEqual(['file']);
  });

  test('keeps nothing of a build that failed, and clears up after one that was killed', async () => {
    await mkdir(join(folder, 'things/.building-abc'), { recursive: true });
    await writeFile(join(folder, 'things/.building-abc/half'), '');
    const get = (build: (building: string) => Promise<void>) =>
      cached('things', 'abc', () => undefined, build);
    await expect(get(() => Promise.reject(new Error('no')))).rejects.toThrow('no');
    expect(await readdir(join(folder, 'things'))).toEqual([]);
    const ready = await get((building) => writeFile(join(building, 'whole'), ''));
    expect(await readdir(ready)).toEqual(['whole']);
  });

  test('is where the environment says', () => {
    expect(cacheFolder({ OUASSISTER_CACHE: '/a', XDG_CACHE_HOME: '/b' })).toBe('/a');
    expect(cacheFolder({ XDG_CACHE_HOME: '/b' })).toBe('/b/ouassister');
    expect(cacheFolder({})).toMatch(/\/\.cache\/ouassister$/);
  });
});

test('the capture script is valid shell', async () => {
  const { execFileSync } = await import('node:child_process');
  execFileSync('sh', ['-n'], { input: captureScript() });
});
