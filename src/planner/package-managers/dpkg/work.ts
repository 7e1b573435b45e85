/** Which package dpkg works on: it does not say, but what it does shows it. */
import type { CallEvent } from '../../../tracer/call-event.js';
import type { PackageScript, PackageWork, WorkListener } from '../package-manager.js';

const text = (name: Buffer): string => name.toString('latin1');

const admin = '/var/lib/dpkg/';
/** `info/<package>.<what>`, or `info/<package>:<architecture>.<what>`; dpkg(1) FILES. */
const infoFile = /^\/var\/lib\/dpkg\/info\/(?:([^/:]+):[^/]+|([^/:]+)\.[^/.]+)$/;
/** What dpkg writes once a package's files are in place. */
const listFile = /^\/var\/lib\/dpkg\/info\/[^/]+\.list$/;
/** What dpkg appends to the names of files that are on their way; dpkg's src/main/dpkg.h. */
const onTheWay = /\.dpkg-(new|tmp)$/;
/** dpkg's own files, of which no package's work can be told apart. */
const shared = (path: string) =>
  (path.startsWith(admin) && !path.startsWith(`${admin}tmp.ci/`) && path !== `${admin}tmp.ci`) ||
  path.startsWith('/var/log/dpkg.log');

/** Unpacked configuration files that wait for their configuration: a bound for a guest that makes up names. */
const maximumFresh = 200_000;

export interface DpkgWorkOptions extends WorkListener {
  /** The package that a file belonged to before the update, by a path as its list has it. */
  readonly installed?: (path: string) => string | undefined;
}

/**
 * Over all of dpkg's runs of an update.
 *
 * While dpkg unpacks, it works on the package whose archive it has given to dpkg-deb last. The archive's name says
 * which, and the package's list, which dpkg writes at the end, has the last word. A file under a name that ends in
 * `.dpkg-new` stays its package's until it is renamed, maybe by another run that configures. Outside of an
 * unpacking, a file is its package's that had it before, else of the package whose script ran last.
 */
export class DpkgWork implements PackageWork {
  readonly #options: DpkgWorkOptions;
  /** Path with `.dpkg-new` → package. */
  readonly #fresh = new Map<string, string>();
  #current: string | undefined;
  #unpacking = false;

  constructor(options: DpkgWorkOptions = {}) {
    this.#options = options;
  }

  get current(): string | undefined {
    return this.#current;
  }

  begins(name: string): boolean {
    if (name !== 'dpkg') return false;
    this.#current = undefined;
    this.#unpacking = false;
    return true;
  }

  /** dpkg runs dpkg-deb on an archive: `<package>_<version>_<architecture>.deb`. */
  executes(program: string, argv: readonly string[]): void {
    if (program !== 'dpkg-deb') return;
    const archive = argv.slice(1).find((word) => word.endsWith('.deb'));
    const name = archive && /([^/_]+)(?:_[^/]*)?\.deb$/.exec(archive)?.[1];
    if (!name || (this.#unpacking && name === this.#current)) return;
    this.#current = name;
    this.#unpacking = true;
    this.#options.onUnpack?.();
  }

  /** Those of an upgrade run while dpkg unpacks. */
  runs(script: PackageScript, argv: readonly string[]): void {
    const ends = script.kind === 'postinst' || argv[1] === 'remove' || argv[1] === 'purge';
    if (!ends) return;
    this.#current = script.package;
    this.#unpacking = false;
  }

  ownerOf(event: CallEvent): string | undefined {
    if (!('path' in event)) return this.#unpacking ? this.#current : undefined;
    const path = text(event.path);
    const from = 'from' in event ? text(event.from) : path;
    const named = infoFile.exec(path) ?? infoFile.exec(from);
    if (named) return this.#named((named[1] ?? named[2])!, event.kind === 'rename' && listFile.test(path));
    if (shared(path)) return undefined;
    const fresh = this.#fresh.get(from);
    if (fresh !== undefined && (event.kind === 'rename' || event.kind === 'remove')) {
      this.#fresh.delete(from);
      return fresh;
    }
    if (this.#unpacking && this.#current !== undefined) {
      if (path.endsWith('.dpkg-new') && this.#fresh.size < maximumFresh) this.#fresh.set(path, this.#current);
      return this.#current;
    }
    return fresh ?? this.#options.installed?.(path.replace(onTheWay, '')) ?? this.#current;
  }

  /** dpkg's own files about a package have its name. */
  #named(name: string, isList: boolean): string {
    const wrong = this.#current;
    if (!this.#unpacking || !isList || wrong === undefined || wrong === name) return name;
    for (const [path, owner] of this.#fresh) if (owner === wrong) this.#fresh.set(path, name);
    this.#current = name;
    this.#options.onCorrection?.(wrong, name);
    return name;
  }
}
