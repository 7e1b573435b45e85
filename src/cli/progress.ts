import { Listr, ListrLogger, ProcessOutput } from 'listr2';
import { printable } from './output.js';

/** What a long run tells while it goes on: the phase that begins, and a line of detail within it. */
export interface Progress<Phase extends string> {
  readonly phase: (name: Phase) => void;
  readonly detail: (text: string) => void;
}

/**
 * Runs `work` and shows its phases on standard error: animated on a terminal, one plain line a phase
 * otherwise, nothing when `quiet`.
 *
 * @param titles the phases in the order in which they can begin, with what to show for each
 */
export async function withProgress<Phase extends string, Result>(
  titles: Readonly<Record<Phase, string>>,
  quiet: boolean,
  work: (progress: Progress<Phase>) => Promise<Result>,
): Promise<Result> {
  if (quiet) return work({ phase: () => {}, detail: () => {} });
  return process.stderr.isTTY ? animated(titles, work) : plain(titles, work);
}

function plain<Phase extends string, Result>(
  titles: Readonly<Record<Phase, string>>,
  work: (progress: Progress<Phase>) => Promise<Result>,
): Promise<Result> {
  const say = (text: string) => process.stderr.write(`${printable(text)}\n`);
  return work({ phase: (name) => say(titles[name]), detail: (text) => say(`  ${text}`) });
}

interface Stage {
  readonly done: Promise<void>;
  finish(): void;
  fail(error: Error): void;
}

function stage(): Stage {
  let finish!: () => void;
  let fail!: (error: Error) => void;
  const done = new Promise<void>((resolve, reject) => {
    finish = resolve;
    fail = reject;
  });
  // A stage that fails before its task begins is reported by the work itself.
  done.catch(() => {});
  return { done, finish, fail };
}

async function animated<Phase extends string, Result>(
  titles: Readonly<Record<Phase, string>>,
  work: (progress: Progress<Phase>) => Promise<Result>,
): Promise<Result> {
  const names = Object.keys(titles) as Phase[];
  const stages = new Map(names.map((name) => [name, stage()]));
  const begun = new Set<Phase>();
  let current = -1;
  let show: (text: string) => void = () => {};

  const tasks = new Listr(
    names.map((name) => ({
      title: titles[name],
      task: (_context: object, task: { output: string; skip(): void }) => {
        show = (text) => {
          task.output = printable(text);
        };
        return stages.get(name)!.done.then(() => {
          if (!begun.has(name)) task.skip();
        });
      },
    })),
    {
      rendererOptions: {
        logger: new ListrLogger({ processOutput: new ProcessOutput(process.stderr, process.stderr) }),
        collapseSkips: false,
      },
      exitOnError: true,
    },
  );
  const shown = tasks.run().catch(() => {});

  try {
    const result = await work({
      phase: (name) => {
        begun.add(name);
        const next = names.indexOf(name);
        for (; current < next; current++) if (current >= 0) stages.get(names[current]!)!.finish();
      },
      detail: (text) => show(text),
    });
    for (const each of stages.values()) each.finish();
    await shown;
    return result;
  } catch (error) {
    const failed = stages.get(names[Math.max(current, 0)]!)!;
    failed.fail(error instanceof Error ? error : new Error(String(error)));
    await shown;
    throw error;
  }
}
