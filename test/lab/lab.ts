import { constants } from 'node:fs';
import { copyFile, link, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { errnoOf, OuaError } from '../../src/base/errors.js';
import { GuestAgent, type GuestCommand, type GuestExit } from '../../src/transport/guest-agent.js';
import { QmpClient } from '../../src/qemu/qmp.js';
import { cacheFolder, exists, type Say } from './cache.js';
import { captureScript } from './captures.js';
import { ensureBaseImage } from './image.js';
import { endMachine, guestFile, machinePid, machineSchema, startMachine, type Machine } from './machine.js';
import { defaultRecipe, type Recipe } from './recipe.js';
import { tool } from './tools.js';

const guestRecord = z.object({
  schemaVersion: z.literal(1),
  machine: machineSchema,
  /** Hash of the image that the disk was copied from. */
  image: z.string(),
});
type GuestRecord = z.infer<typeof guestRecord>;

export type GuestState = 'running' | 'suspended' | 'stopped';

/** A guest and where its parts are. */
export interface LabGuest {
  readonly name: string;
  readonly state: GuestState;
  readonly folder: string;
  readonly machine: Machine;
  readonly disk: string;
  /** The ELF dump and the migration stream; there once the guest was suspended. */
  readonly memory: string;
  readonly saved: string;
  /** Unix sockets; there while the guest runs. */
  readonly qmp: string;
  readonly agent: string;
}

export interface UpOptions {
  readonly recipe?: Partial<Recipe>;
  /** MiB. */
  readonly memory?: number;
  readonly cpus?: number;
  readonly diskFormat?: 'qcow2' | 'raw';
  readonly forwardedPorts?: readonly number[];
}

export interface LabOptions {
  /** Where the guests are; the cache's `guests` folder when left out. */
  readonly folder?: string;
  readonly say?: Say;
  /** Whether the guests' QEMUs die with this process, as in tests. */
  readonly tied?: boolean;
}

/** How long an emulated guest may take to boot or to answer: a hang guard. */
const PATIENCE_MS = 300_000;

/**
 * What a guest runs before it counts as up: its agent answers long before its last unit has started and its
 * last module is loaded. systemd-fsckd(8) ends by itself after half a minute, which may be while the guest describes itself.
 */
export const settling = [
  ['systemctl', 'is-system-running', '--wait'],
  ['udevadm', 'settle'],
  ['systemctl', 'stop', 'systemd-fsckd.service'],
] as const;

/** Brings up, suspends and resumes Debian guests. Each guest is one folder and stands alone. */
export class Lab {
  readonly folder: string;
  readonly #say: Say;
  readonly #tied: boolean;

  constructor(options: LabOptions = {}) {
    this.folder = options.folder ?? join(cacheFolder(), 'guests');
    this.#say = options.say ?? (() => undefined);
    this.#tied = options.tied ?? false;
  }

  /** Builds a guest from its recipe and boots it until its agent answers. */
  async up(name: string, options: UpOptions = {}): Promise<LabGuest> {
    await this.#refuseExisting(name);
    const image = await ensureBaseImage({ ...defaultRecipe, ...options.recipe }, this.#say);
    const machine: Machine = {
      name,
      memory: options.memory ?? 512,
      cpus: options.cpus ?? 1,
      diskFormat: options.diskFormat ?? 'qcow2',
      rootUuid: image.rootUuid,
      forwardedPorts: options.forwardedPorts ?? [80],
    };
    await this.#create(name, { schemaVersion: 1, machine, image: image.hash }, async (folder) => {
      const disk = join(folder, guestFile.disk(machine));
      if (machine.diskFormat === 'qcow2') await copyFile(image.disk, disk, constants.COPYFILE_FICLONE);
      else await tool('qemu-img', ['convert', '-O', 'raw', image.disk, disk]);
      await share(image.kernel, join(folder, guestFile.kernel));
      await share(image.initrd, join(folder, guestFile.initrd));
    });
    const guest = await this.get(name);
    this.#say(`booting ${name}`);
    const started = Date.now();
    await startMachine(guest.folder, machine, { incoming: false, tied: this.#tied });
    (await this.#connectAgent(guest))[Symbol.dispose]();
    for (const [path, ...args] of settling) await this.exec(name, { path, args });
    this.#say(`${name} is up after ${Math.round((Date.now() - started) / 1000)} s`);
    return this.get(name);
  }

  /**
   * Stops a guest where it is, leaves its disk, memory and state in its folder, and ends QEMU.
   * @param options.sync whether the guest writes its page cache to its disk first (default).
   * @param options.capture whether the guest first describes itself in `inside/`.
   */
  async suspend(
    name: string,
    options: { readonly sync?: boolean; readonly capture?: boolean } = {},
  ): Promise<LabGuest> {
    const guest = await this.get(name, 'running');
    if (options.capture) await this.#capture(guest);
    if (options.sync ?? true) await this.exec(name, { path: 'sync' });
    this.#say(`suspending ${name}`);
    for (const file of [guest.memory, guest.saved]) await rm(file, { force: true });
    {
      using qmp = await QmpClient.connect(guest.qmp);
      await qmp.execute('stop');
      const protocol = `file:${guest.memory}`;
      await qmp.execute('dump-guest-memory', { paging: false, protocol }, { timeoutMs: PATIENCE_MS });
      // Runs in the guest's folder, so that no path needs quoting.
      await qmp.execute('migrate', { uri: `exec:cat > ${guestFile.state}` });
      await migrated(qmp);
    }
    await endMachine(guest.folder);
    return this.get(name);
  }

  /** Starts a suspended guest again from its saved state, which is used up by it. `memory.core` stays. */
  async resume(name: string, options: { readonly paused?: boolean } = {}): Promise<LabGuest> {
    const guest = await this.get(name, 'suspended');
    this.#say(`resuming ${name}`);
    await startMachine(guest.folder, guest.machine, { incoming: true, tied: this.#tied });
    using qmp = await QmpClient.connect(guest.qmp);
    for (let waited = 0; (await qmp.execute('query-status')).status === 'inmigrate'; waited += 50) {
      if (waited > PATIENCE_MS)
        throw new OuaError('HOST_FAILED', `${name} does not resume`, 'see its qemu.log');
      await sleep(50);
    }
    // From here on the disk may move on, and the state would no longer fit it.
    await rm(guest.saved);
    if (!options.paused) await qmp.execute('cont');
    return this.get(name);
  }

  /** Runs a program in a running guest. A program that fails is not an error. */
  async exec(name: string, command: GuestCommand): Promise<GuestExit> {
    const guest = await this.get(name, 'running');
    using agent = await this.#connectAgent(guest);
    return await agent.run(command, { timeoutMs: PATIENCE_MS });
  }

  /** Ends a guest, whatever it does, and removes its folder. */
  async down(name: string): Promise<void> {
    const guest = await this.get(name);
    await endMachine(guest.folder);
    await rm(guest.folder, { recursive: true });
  }

  async list(): Promise<LabGuest[]> {
    if (!(await exists(this.folder))) return [];
    const guests: LabGuest[] = [];
    for (const name of (await readdir(this.folder)).sort()) {
      if (await exists(join(this.folder, name, guestFile.record))) guests.push(await this.get(name));
    }
    return guests;
  }

  /**
   * Looks a guest up.
   * @throws OuaError `FILE_MISSING` when there is none, `USAGE` when it is not in `state`.
   */
  async get(name: string, state?: GuestState): Promise<LabGuest> {
    const folder = this.#folderOf(name);
    const path = join(folder, guestFile.record);
    if (!(await exists(path)))
      throw new OuaError('FILE_MISSING', `there is no guest ${name}`, `bring it up: lab up ${name}`);
    const { machine } = guestRecord.parse(JSON.parse(await readFile(path, 'utf8')));
    const saved = join(folder, guestFile.state);
    const running = (await machinePid(folder)) !== undefined;
    const guest: LabGuest = {
      name,
      state: running ? 'running' : (await exists(saved)) ? 'suspended' : 'stopped',
      folder,
      machine,
      disk: join(folder, guestFile.disk(machine)),
      memory: join(folder, guestFile.memory),
      saved,
      qmp: join(folder, guestFile.qmp),
      agent: join(folder, guestFile.agent),
    };
    if (state !== undefined && guest.state !== state)
      throw new OuaError('USAGE', `guest ${name} is ${guest.state}, not ${state}`, 'see `lab list`');
    return guest;
  }

  /** Makes a suspended guest that is a copy of another one: its disk is its own, the saved files are shared. */
  async copy(from: LabGuest, name: string): Promise<LabGuest> {
    const machine = from.machine;
    const record = guestRecord.parse(JSON.parse(await readFile(join(from.folder, guestFile.record), 'utf8')));
    await this.#create(name, record, async (folder) => {
      await copyFile(from.disk, join(folder, guestFile.disk(machine)), constants.COPYFILE_FICLONE);
      for (const file of [guestFile.memory, guestFile.state, guestFile.kernel, guestFile.initrd])
        await share(join(from.folder, file), join(folder, file));
    });
    return this.get(name);
  }

  /**
   * The loopback port of this machine that leads to a port of a running guest.
   * QEMU tells it only to its human monitor (`info usernet`).
   */
  async forwardedPort(name: string, port: number): Promise<number> {
    const guest = await this.get(name, 'running');
    using qmp = await QmpClient.connect(guest.qmp);
    const text = await qmp.execute('human-monitor-command', { 'command-line': 'info usernet' });
    const rows = text.split('\n').map((line) => line.trim().split(/\s+/));
    const row = rows.find((fields) => fields[0] === 'TCP[HOST_FORWARD]' && fields[5] === String(port));
    if (row?.[3] === undefined)
      throw new OuaError(
        'USAGE',
        `port ${port} of ${name} is not forwarded`,
        'name it when the guest is built',
      );
    return Number(row[3]);
  }

  async #create(name: string, record: GuestRecord, fill: (folder: string) => Promise<void>): Promise<void> {
    await this.#refuseExisting(name);
    const folder = this.#folderOf(name);
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, guestFile.record), JSON.stringify(record, null, 2) + '\n');
    await fill(folder);
  }

  async #refuseExisting(name: string): Promise<void> {
    if (await exists(this.#folderOf(name)))
      throw new OuaError('FILE_EXISTS', `there is a guest ${name} already`, `end it: lab down ${name}`);
  }

  async #connectAgent(guest: LabGuest): Promise<GuestAgent> {
    const ended = new AbortController();
    const watch = setInterval(() => {
      machinePid(guest.folder).then(
        (pid) => pid === undefined && ended.abort(),
        () => ended.abort(),
      );
    }, 1_000);
    try {
      return await GuestAgent.connect(guest.agent, { timeoutMs: PATIENCE_MS, signal: ended.signal });
    } catch (error) {
      if (!ended.signal.aborted) throw error;
      throw new OuaError(
        'HOST_FAILED',
        `QEMU of ${guest.name} ended`,
        `see ${guest.folder}/${guestFile.log}`,
      );
    } finally {
      clearInterval(watch);
    }
  }

  async #capture(guest: LabGuest): Promise<void> {
    const folder = join(guest.folder, 'inside');
    await rm(folder, { recursive: true, force: true });
    await mkdir(folder);
    const script = '/run/lab-captures.sh';
    using agent = await this.#connectAgent(guest);
    await agent.writeFile(script, Buffer.from(captureScript()));
    const exit = await agent.run({ path: '/bin/sh', args: [script] }, { timeoutMs: PATIENCE_MS });
    if (exit.exitCode !== 0 || exit.truncated)
      throw new OuaError('VM_REFUSED', `${guest.name} could not be described`, 'look into the guest');
    const archive = join(folder, 'captures.tar');
    await writeFile(archive, exit.stdout);
    await tool('tar', ['--no-same-owner', '-xf', archive], { cwd: folder });
    await rm(archive);
  }

  #folderOf(name: string): string {
    if (!/^[a-z0-9][a-z0-9-]{0,30}$/.test(name))
      throw new OuaError(
        'USAGE',
        `'${name}' is no name for a guest`,
        'use small letters, digits and hyphens',
      );
    return join(this.folder, name);
  }
}

async function migrated(qmp: QmpClient): Promise<void> {
  for (let waited = 0; ; waited += 50) {
    const migration = await qmp.execute('query-migrate');
    if (migration.status === 'completed') return;
    if (migration.status === 'failed' || waited > PATIENCE_MS)
      throw new OuaError(
        'HOST_FAILED',
        `saving failed: ${migration['error-desc'] ?? ''}`,
        'check the free disk space',
      );
    await sleep(50);
  }
}

/** Gives a read-only file a second name, or copies it where that is not possible. */
async function share(from: string, to: string): Promise<void> {
  try {
    await link(from, to);
  } catch (error) {
    if (errnoOf(error) !== 'EXDEV') throw error;
    await copyFile(from, to);
  }
}
