/** Where the files of {@link makeMemoryFiles} are in a guest that was captured: on tmpfs. */
export const memoryFiles = '/run/lab-files';

/** Attributes that some of those files have, as `setxattr(2)` took them. */
export const memoryFileAttributes = {
  'trusted.lab': Buffer.from('0061ff00', 'hex'),
  // rw- for the owner, r-- for the uid 33 and the group, nothing for others; acl(5), posix_acl_xattr.h
  'system.posix_acl_access': Buffer.from(
    '02000000' +
      '01000600ffffffff' +
      '0200040021000000' +
      '04000400ffffffff' +
      '10000400ffffffff' +
      '20000000ffffffff',
    'hex',
  ),
} as const;

const octal = (bytes: Buffer) => [...bytes].map((byte) => `\\${byte.toString(8).padStart(3, '0')}`).join('');

/** setxattr(2) by its number on x86-64: a small guest has no program for it. */
const setAttribute = ([name, value]: readonly [string, Buffer]) =>
  `perl -e '($f, $n, $v) = ("attributes", "${name}", "${octal(value)}"); syscall(188, $f, $n, $v, length($v), 0)'`;

/** A shell command that makes files of every kind in the guest's memory, none on its disk. */
export const makeMemoryFiles = [
  `(mkdir -m 751 ${memoryFiles} && cd ${memoryFiles} || exit`,
  'head -c 3000001 /dev/urandom >data && chown 1234:4294967294 data && chmod 4711 data',
  'touch -d @1234567890.123456789 data',
  'touch -d @-5.5 before-the-epoch',
  'ln data twin && mkdir -m 3770 deep && ln data deep/triplet',
  'ln -s data short-link && ln -s "$(head -c 300 /dev/zero | tr "\\0" x)" long-link',
  'chown -h 7:8 short-link',
  'mkfifo fifo && mknod null c 1 3 && mknod disk b 259 1048575',
  // Holes before, between and behind what was written, and pages that were only reserved.
  'truncate -s 8M sparse && for at in 3 4 700 1500; do head -c 4096 /dev/urandom | dd of=sparse bs=4096 seek=$at conv=notrunc; done',
  'fallocate -l 64K reserved && touch reserved-beyond && fallocate -n -l 64K reserved-beyond && echo text >>reserved-beyond',
  'mkdir many && (cd many && seq 300 | xargs touch) && rm many/7',
  'touch "$(printf "new\\nline")" "$(printf "\\377\\376")" "ümlaut" " " ./- "$(head -c 255 /dev/zero | tr "\\0" n)"',
  `echo attributed >attributes && ${Object.entries(memoryFileAttributes).map(setAttribute).join(' && ')}`,
  'echo shared >/dev/shm/lab-shared',
  // Large folios; under them a file that nobody sees.
  'mkdir huge && echo hidden >huge/below && mount -t tmpfs -o size=8m,huge=always,mode=700 lab-huge huge',
  'head -c 5000000 /dev/urandom >huge/data',
  `mount --bind ${memoryFiles}/many /mnt)`,
].join('\n');
