/** The table of system calls as people and programs read it. */
import { getSystemErrorName } from 'node:util';
import { abis, numberOf, type Abi } from './numbers.js';
import type { Condition, Feature, Support, SyscallRow } from './row.js';
import { syscalls } from './syscalls.js';

/** One row of the table, said in words. */
export interface SyscallEntry {
  readonly name: string;
  /** By ABI, those of x32 without its bit; null where the ABI lacks the call. */
  readonly numbers: Readonly<Record<Abi, number | null>>;
  readonly feature: Feature;
  readonly stops: SyscallRow['stop'];
  /** All have to hold; empty when the call always stops. */
  readonly when: readonly string[];
  /** `constant`, `handler`, `kernel`, or the name of the errno that the filter gives. */
  readonly answeredBy: string;
  /** What the engine does with the call. */
  readonly does: string;
  readonly support: Support;
  readonly note: string;
}

/** Every row of the table, in its order: a call gets the first row whose conditions hold. */
export const syscallEntries = (rows: readonly SyscallRow[] = syscalls): SyscallEntry[] => rows.map(entryOf);

function entryOf(row: SyscallRow): SyscallEntry {
  const { name, feature, stop, when, support, note, answer } = row;
  return {
    name,
    numbers: Object.fromEntries(abis.map((abi) => [abi, numberOf(name, abi) ?? null])) as Record<
      Abi,
      number | null
    >,
    feature,
    stops: stop,
    when: when.map(inWords),
    answeredBy: answeredBy(row),
    does: doings[answer.by][stop],
    support,
    note,
  };
}

/** An errno is the filter's own. */
const answeredBy = ({ answer }: SyscallRow): string =>
  answer.by === 'errno' ? getSystemErrorName(-answer.errno) : answer.by;

const kernel = {
  entry: 'the shim notes the call, and the kernel answers',
  exit: 'the kernel answers, and the shim corrects or notes the result',
  both: 'the shim notes the arguments, and the result once the kernel has answered',
  never: 'nothing',
};
const shim = 'the shim answers, and the kernel does not see the call';
const handler = 'the caller stands still until a handler has decided';
const refusal = 'the filter itself fails it; nothing stops';

const doings: Readonly<Record<SyscallRow['answer']['by'], Readonly<Record<SyscallRow['stop'], string>>>> = {
  constant: { entry: shim, exit: shim, both: shim, never: shim },
  kernel,
  handler: { entry: handler, exit: handler, both: handler, never: handler },
  errno: { entry: refusal, exit: refusal, both: refusal, never: refusal },
};

const verbs = { equal: 'is', notEqual: 'is not', anyBitOf: 'has any bit of' } as const;

function inWords({ argument, is, value, means }: Condition): string {
  const number = value > 9 ? `0x${value.toString(16)}` : String(value);
  return means ?? `argument ${argument} ${verbs[is]} ${number}`;
}
