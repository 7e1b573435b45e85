// Sets up a fresh Debian machine for the tests, the lab and the demo: Debian packages, npm dependencies, build.
// Plain Node, because it runs before anything is installed. Does what is missing, so the second run is quick.
//
// usage: node test/setup.mjs [--quiet]     --quiet: no word when there is nothing to do
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { lstatSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { clearInterval, setInterval } from 'node:timers';
import { fileURLToPath } from 'node:url';

/** Debian packages that the program, its build, its tests and its lab need, and what for. */
const debianPackages = {
  gcc: 'compiles the shim and the guest-side agent',
  'g++': 'compiles better-sqlite3',
  'libc6-dev': 'headers and the static C library of both',
  make: 'builds the shim',
  'gcc-aarch64-linux-gnu': 'whether the engine compiles for aarch64, too',
  'libc6-dev-arm64-cross': 'headers and C library for that',
  python3: 'node-gyp, which builds better-sqlite3',
  'pkg-config': 'finds libfuse3',
  'libmd-dev': 'SHA-256 in the guest-side agent',
  'libdeflate-dev': 'compresses the contents of plans',
  'libfuse3-dev': 'the shadow proc is a FUSE file system',
  fuse3: 'mounts it',
  runc: 'the sandbox of the package manager',
  'qemu-system-x86': 'the VMs of the lab',
  'qemu-system-arm': 'aarch64 guests, for the introspection',
  'qemu-system-common': 'qemu-storage-daemon: reads disk images',
  'qemu-utils': 'qemu-img',
  mmdebstrap: 'builds the guests of the lab',
  'debian-archive-keyring': 'keys that their packages are checked with',
  e2fsprogs: 'mke2fs: the file systems of the guests',
  fdisk: 'sfdisk: their partition tables',
  mount: 'mount, losetup',
  'libcap2-bin': 'setcap: programs with capabilities under the engine',
  'xz-utils': 'modules, kernels and saves of libvirt are compressed with it',
  bzip2: 'kernels and saves of libvirt may be',
  lz4: 'kernels may be',
  zstd: 'kernels and saves of libvirt may be',
  dwarves: 'pahole: type information of kernels that carry only DWARF',
  'systemd-container': 'systemd-nspawn: guests of the oracle that are containers',
  strace: 'the benchmark measures itself by it',
  'util-linux': 'unshare, setpriv, blkid, taskset',
  lzop: 'compressed saves of libvirt may be',
  rpm: 'rpmbuild: RPM packages for the guests of the lab',
  'createrepo-c': 'repositories of them',
};

const root = fileURLToPath(new URL('..', import.meta.url));
const quiet = process.argv.includes('--quiet');
const say = (text) => process.stderr.write(`setup: ${text}\n`);

/** Runs a program to its end: its last words every ten seconds, and all of them when it fails. */
async function run(what, program, args, env = {}) {
  say(what);
  const started = Date.now();
  let output = '';
  const seconds = () => `${Math.round((Date.now() - started) / 1000)} s`;
  const child = spawn(program, args, {
    cwd: root,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const collect = (data) => {
    output += data;
  };
  child.stdout.on('data', collect);
  child.stderr.on('data', collect);
  const ticker = setInterval(() => {
    const words =
      output
        .trimEnd()
        .split(/[\r\n]/)
        .pop() ?? '';
    say(`  … ${seconds()} ${words.slice(0, 100)}`);
  }, 10_000);
  const status = await new Promise((resolve) => {
    child.on('error', (error) => {
      output += error.message;
      resolve(1);
    });
    child.on('close', (code) => resolve(code ?? 1));
  });
  clearInterval(ticker);
  if (status === 0) say(`  done in ${seconds()}`);
  return { status, output };
}

function fail(what, output, hint) {
  process.stderr.write(output.split('\n').slice(-40).join('\n') + '\n');
  say(`${what} failed. ${hint}`);
  process.exit(1);
}

function missingPackages() {
  const query = spawnSync('dpkg-query', ['-W', '-f=${db:Status-Abbrev}${Package}\n'], {
    encoding: 'utf8',
    maxBuffer: 1 << 26,
  });
  if (query.error) fail('looking up Debian packages', String(query.error), 'This set-up is for Debian.');
  const installed = new Set(
    query.stdout
      .split('\n')
      .filter((line) => line.startsWith('ii '))
      .map((line) => line.slice(3)),
  );
  return Object.keys(debianPackages).filter((name) => !installed.has(name));
}

async function installPackages() {
  const missing = missingPackages();
  if (missing.length === 0) return false;
  if (process.getuid() !== 0)
    fail('installing Debian packages', '', `As root: apt-get install ${missing.join(' ')}`);
  const env = { DEBIAN_FRONTEND: 'noninteractive' };
  const wait = ['-o', 'DPkg::Lock::Timeout=300'];
  // One unreachable archive of several must not stop us: what counts is whether the installation works.
  const update = await run('apt-get update', 'apt-get', [...wait, 'update'], env);
  const install = await run(
    `installing ${missing.length} Debian packages:\n${missing.map((name) => `         ${name.padEnd(24)}${debianPackages[name]}`).join('\n')}`,
    'apt-get',
    [...wait, '-y', '--no-install-recommends', 'install', ...missing],
    env,
  );
  if (install.status !== 0)
    fail('apt-get install', update.output + install.output, 'Check the apt configuration of this machine.');
  return true;
}

/** Whether node_modules holds what package-lock.json asks for, going by npm's own record of it. */
function dependenciesInstalled() {
  const read = (path) => JSON.parse(readFileSync(join(root, path), 'utf8')).packages;
  const wanted = read('package-lock.json');
  let have;
  try {
    have = read('node_modules/.package-lock.json');
  } catch (error) {
    if (error.code === 'ENOENT') return false;
    throw error;
  }
  return Object.entries(wanted).every(
    ([path, { version, optional }]) =>
      path === '' || (have[path] ? have[path].version === version : optional === true),
  );
}

async function installDependencies() {
  // A link leads to a folder that someone else looks after (a second work tree).
  if (lstatSync(join(root, 'node_modules'), { throwIfNoEntry: false })?.isSymbolicLink()) return false;
  if (dependenciesInstalled()) return false;
  const install = await run('npm ci (compiles better-sqlite3: a minute or two)', 'npm', ['ci', '--no-fund']);
  if (install.status !== 0) fail('npm ci', install.output, 'Check the npm configuration of this machine.');
  return true;
}

/** Every file that the build reads, with what changes when it does. */
function sources() {
  const files = new Map();
  const walk = (folder) => {
    for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) {
        if (path !== 'native-shim/build') walk(path);
      } else if (entry.isFile()) {
        const { mtimeMs, size } = statSync(join(root, path));
        files.set(path, `${mtimeMs} ${size}`);
      }
    }
  };
  for (const folder of ['src', 'test', 'native-shim']) walk(folder);
  for (const file of ['package-lock.json', 'tsconfig.json', 'test/setup.mjs'])
    files.set(
      file,
      createHash('sha256')
        .update(readFileSync(join(root, file)))
        .digest('hex'),
    );
  return files;
}

async function build() {
  const stamp = join(root, 'dist', '.built-from.json');
  const now = sources();
  let before = new Map();
  try {
    before = new Map(Object.entries(JSON.parse(readFileSync(stamp, 'utf8'))));
  } catch (error) {
    if (error.code !== 'ENOENT') throw error;
  }
  if (now.size === before.size && [...now].every(([path, state]) => before.get(path) === state)) return false;
  // The output of a source that is gone would still run as a test.
  if ([...before.keys()].some((path) => !now.has(path)))
    rmSync(join(root, 'dist'), { recursive: true, force: true });
  const built = await run('building', 'npm', ['run', '--silent', 'build']);
  if (built.status !== 0) fail('the build', built.output, 'See above.');
  mkdirSync(join(root, 'dist'), { recursive: true });
  writeFileSync(stamp, JSON.stringify(Object.fromEntries(now)));
  return true;
}

let did = await installPackages();
did = (await installDependencies()) || did;
did = (await build()) || did;
if (did) say('ready');
else if (!quiet) say('ready, nothing to do');
