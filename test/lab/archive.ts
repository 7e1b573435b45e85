import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { OuaError } from '../../src/base/errors.js';
import { sha256OfFile } from './cache.js';
import { tool } from './tools.js';

/**
 * The version that a repacked package gets: later than `version`, and earlier than Debian's next one.
 * (`+` sorts after the end of a version and before the next digit, Debian Policy 5.6.12.)
 */
export function laterVersion(version: string): string {
  return `${version}+lab1`;
}

/**
 * Makes the same package again with a later version, in `folder`, and returns the new file's path.
 * Dependencies by exact version between packages that are repacked together are kept in step.
 */
export async function repackPackage(
  deb: string,
  folder: string,
  togetherWith: ReadonlySet<string> = new Set(),
): Promise<string> {
  const tree = join(folder, '.repack');
  await mkdir(folder, { recursive: true });
  await rm(tree, { recursive: true, force: true });
  try {
    await tool('dpkg-deb', ['--raw-extract', deb, tree]);
    const path = join(tree, 'DEBIAN/control');
    const control = laterControl(await readFile(path, 'utf8'), togetherWith);
    await writeFile(path, control.text);
    const repacked = join(folder, `${control.name}_${control.version.replace(/^\d+:/, '')}.deb`);
    await tool('dpkg-deb', ['-Zgzip', '-z1', '--root-owner-group', '--build', tree, repacked]);
    return repacked;
  } finally {
    await rm(tree, { recursive: true, force: true });
  }
}

/** A control file with a later version in it. */
export function laterControl(text: string, togetherWith: ReadonlySet<string>) {
  const name = /^Package: (\S+)$/m.exec(text)?.[1];
  const version = /^Version: (\S+)$/m.exec(text)?.[1];
  if (name === undefined || version === undefined)
    throw new OuaError('HOST_FAILED', 'a package has no name or version', 'download it again');
  const later = text
    .replace(/^Version: .*$/m, `Version: ${laterVersion(version)}`)
    .replace(/([a-z0-9][a-z0-9+.-]+) \(= ([^)]+)\)/g, (relation, other: string, exact: string) =>
      togetherWith.has(other) ? `${other} (= ${laterVersion(exact)})` : relation,
    );
  return { name, version: laterVersion(version), text: later };
}

/** Moves the packages in a folder to another one of the same file system. */
export async function movePackages(from: string, to: string): Promise<void> {
  await mkdir(to, { recursive: true });
  for (const name of await readdir(from))
    if (name.endsWith('.deb')) await rename(join(from, name), join(to, name));
}

/** Writes the `Packages` index of a flat archive (`deb file:FOLDER ./`) over all packages in `folder`. */
export async function indexArchive(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  const stanzas: string[] = [];
  for (const file of (await readdir(folder)).filter((name) => name.endsWith('.deb')).sort()) {
    const path = join(folder, file);
    const control = (await tool('dpkg-deb', ['--field', path])).trimEnd();
    const { size } = await stat(path);
    stanzas.push(`${control}\nFilename: ./${file}\nSize: ${size}\nSHA256: ${await sha256OfFile(path)}\n`);
  }
  await writeFile(join(folder, 'Packages'), stanzas.join('\n'));
}

/** What apt would do about one package of a guest's tree. */
export interface Candidate {
  readonly installed: string;
  readonly candidate: string;
}

/**
 * apt of this machine, looking at a guest's tree: no program of the guest runs. Downloads and lists go to
 * `scratch`; the tree is not changed.
 */
export class GuestApt {
  readonly #scratch: string;
  readonly #environment: Readonly<Record<string, string>>;

  private constructor(scratch: string) {
    this.#scratch = scratch;
    this.#environment = { APT_CONFIG: join(scratch, 'apt.conf') };
  }

  /**
   * Fetches the lists of a guest's archives.
   * @param sources a deb822 sources file.
   * @param aptOptions further `apt.conf` lines. This machine's own configuration is not read.
   */
  static async open(
    tree: string,
    scratch: string,
    sources: string,
    aptOptions: readonly string[],
  ): Promise<GuestApt> {
    const settings = {
      'Dir::Etc::main': '/dev/null',
      'Dir::Etc::parts': '/dev/null',
      'Dir::Etc::sourcelist': sources,
      'Dir::Etc::sourceparts': '/dev/null',
      'Dir::State::status': join(tree, 'var/lib/dpkg/status'),
      'Dir::State::lists': join(scratch, 'lists'),
      'Dir::Cache': join(scratch, 'cache'),
      'Acquire::Languages': 'none',
      'APT::Sandbox::User': 'root',
    };
    const apt = new GuestApt(scratch);
    await mkdir(join(scratch, 'lists/partial'), { recursive: true });
    await mkdir(join(scratch, 'cache/archives/partial'), { recursive: true });
    await writeFile(
      join(scratch, 'apt.conf'),
      [...Object.entries(settings).map(([name, value]) => `${name} "${value}";`), ...aptOptions, ''].join(
        '\n',
      ),
    );
    await apt.#run('apt-get', ['update', '--error-on=any']);
    return apt;
  }

  /** Undefined when the package is not installed in the tree. */
  async candidate(name: string): Promise<Candidate | undefined> {
    return parsePolicy(await this.#run('apt-cache', ['policy', name]));
  }

  /** The names of the packages that a package depends on, by any alternative. */
  async depends(name: string): Promise<string[]> {
    const text = await this.#run('apt-cache', ['depends', '--important', name]);
    return [...text.matchAll(/^ *\|?(?:Pre)?Depends: ([^\s<>]+)/gm)].map((match) => match[1] as string);
  }

  /** Downloads a version of a package, the newest when none is named, and returns the file's path. */
  async download(name: string, version?: string): Promise<string> {
    const folder = join(this.#scratch, 'download');
    await rm(folder, { recursive: true, force: true });
    await mkdir(folder);
    await this.#run('apt-get', ['download', version === undefined ? name : `${name}=${version}`], folder);
    const [file] = await readdir(folder);
    if (file === undefined)
      throw new OuaError('HOST_FAILED', `apt-get downloaded no ${name} ${version ?? ''}`, 'try again');
    return join(folder, file);
  }

  /**
   * Downloads what an installation of some packages in the tree would bring, without what is merely recommended,
   * and returns the folder with the files.
   */
  downloadAll(names: readonly string[]): Promise<string> {
    return this.#downloadFor(['install', ...names]);
  }

  /** Downloads what an upgrade of everything in the tree would bring, and returns the folder with the files. */
  downloadUpgrades(): Promise<string> {
    return this.#downloadFor(['dist-upgrade']);
  }

  async #downloadFor(command: readonly string[]): Promise<string> {
    await this.#run('apt-get', ['-y', '--download-only', '--no-install-recommends', ...command]);
    return join(this.#scratch, 'cache/archives');
  }

  #run(program: string, args: readonly string[], cwd = this.#scratch): Promise<string> {
    return tool(program, args, { cwd, environment: this.#environment });
  }
}

/** Reads `apt-cache policy NAME`. */
export function parsePolicy(text: string): Candidate | undefined {
  const installed = /^ {2}Installed: (\S+)$/m.exec(text)?.[1];
  const candidate = /^ {2}Candidate: (\S+)$/m.exec(text)?.[1];
  if (installed === undefined || installed === '(none)' || candidate === undefined) return undefined;
  return { installed, candidate };
}
