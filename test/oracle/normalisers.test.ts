import { execFileSync } from 'node:child_process';
import { gzipSync } from 'node:zlib';
import { writeCpio } from '../lab/zoo/cpio.js';
import { initrdListing } from './initrd.js';
import { normalisers } from './normalisers.js';

const key = (letter: string) => `${letter.repeat(64)}\n${letter.repeat(64)}\n${letter.repeat(20)}==`;

/** As postalias(1) makes it: pages of 4 KiB, the id in the first and in that of the one database in it. */
function aliases(id: string, time: string, rest: string): string {
  const page = (text: string) => text.padEnd(4096, '\0');
  const about = `${'\0'.repeat(52)}${id}`;
  return [about, `\x01${time}\x01YP_LAST_MODIFIED`, about, rest].map(page).join('');
}

/** Of each normaliser: two texts that are the same to it, and one that is not. */
const examples: Readonly<Record<Exclude<keyof typeof normalisers, 'initrd packing'>, readonly string[]>> = {
  times: [
    '2026-11-28  03:39:51 install a',
    '2027-01-02  13:00:00 install a',
    '2026-11-28  03:39:51 install b',
  ],
  'times and processes': [
    '2026/11/28 03:39:51 [notice] 157#157: (PID 7) ready in=0.012 s, elapsed: 0.00 s',
    '2026/11/28 03:39:59 [notice] 9#9: (PID 81) ready in=1.2 s, elapsed: 10.02 s',
    '2026/11/28 03:39:51 [error] 157#157: (PID 7) ready in=0.012 s, elapsed: 0.00 s',
  ],
  'times and fingerprints': [
    '3072 SHA256:L2PaQU+COxgdHNwOQ+NrY5OJFoo9A6EyprKUy+dc6Ts (RSA) Sat Nov 28 03:50:01 UTC 2026',
    '3072 SHA256:u/f1rlBhVmmS9F9Hkk019FWYJE0hduHSD58IOXH+iMI (RSA) Sun Nov  1 13:50:01 UTC 2026',
    '2048 SHA256:L2PaQU+COxgdHNwOQ+NrY5OJFoo9A6EyprKUy+dc6Ts (RSA) Sat Nov 28 03:50:01 UTC 2026',
  ],
  keys: [
    `-----BEGIN KEY-----\n${key('a')}\n`,
    `-----BEGIN KEY-----\n${key('b')}\n`,
    `-----BEGIN CERT-----\n${key('a')}\n`,
  ],
  numbers: ['    511\n', '   98765\n', '   511\nmore'],
  'alias database': [
    aliases('someRandomBytesOf20.', '1795836823', 'rest'),
    aliases('twentyOtherBytes    ', '1795836825', 'rest'),
    aliases('someRandomBytesOf20.', '1795836823', 'REST'),
  ],
};

test.each(Object.entries(examples))('%s do not count, all else does', (name, [one, same, other]) => {
  const normalise = normalisers[name as keyof typeof normalisers];
  expect(normalise(one!)).toBe(normalise(same!));
  expect(normalise(one!)).not.toBe(normalise(other!));
});

describe('an initrd', () => {
  const entries = [
    { path: 'bin', mode: 0o040755 },
    { path: 'bin/sh', mode: 0o100755, content: Buffer.from('a shell') },
    { path: 'dev/null', mode: 0o020666, device: [1, 3] as const },
  ];
  const hash = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';

  test('is listed, whether it is compressed or not, and behind another one', () => {
    const archive = writeCpio(entries);
    const listing = initrdListing(archive);
    expect(listing.split('\n')).toEqual([
      `bin 40755 0:0 0:0 ${hash}`,
      expect.stringMatching(/^bin\/sh 100755 0:0 0:0 [0-9a-f]{64}$/),
      `dev/null 20666 0:0 1:3 ${hash}`,
    ]);
    expect(initrdListing(gzipSync(archive))).toBe(listing);
    const zstd = execFileSync('zstd', ['-q', '-c'], { input: archive });
    expect(initrdListing(zstd)).toBe(listing);
    const early = writeCpio([{ path: 'early', mode: 0o100644 }]);
    expect(initrdListing(Buffer.concat([early, Buffer.alloc(512), zstd])).split('\n')).toHaveLength(4);
  });

  test('is another one with another content, mode or device', () => {
    const [folder, shell, device] = entries as [object, object, object];
    const listings = [
      entries,
      [folder, { ...shell, content: Buffer.from('another') }, device],
      [folder, { ...shell, mode: 0o104755 }, device],
      [folder, shell, { ...device, device: [1, 5] }],
      [folder, shell],
    ].map((list) => initrdListing(writeCpio(list as typeof entries)));
    expect(new Set(listings).size).toBe(listings.length);
  });

  test('is the same with other inode numbers and times', () => {
    const archive = writeCpio(entries);
    const other = Buffer.from(archive);
    const [inode, time] = [0, 5].map((index) => 6 + 8 * index) as [number, number];
    other.write('0000abcd', inode, 'latin1');
    other.write('65432100', time, 'latin1');
    expect(other.equals(archive)).toBe(false);
    expect(initrdListing(other)).toBe(initrdListing(archive));
  });

  test('that is none is compared as it is', () => {
    const normalise = normalisers['initrd packing'];
    expect(() => initrdListing(Buffer.from('no cpio'))).toThrow('no initrd');
    expect(() => initrdListing(writeCpio(entries).subarray(0, 200))).toThrow('no initrd');
    expect(normalise('no cpio')).toBe('no cpio');
  });
});
