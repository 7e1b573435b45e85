import { fileURLToPath } from 'node:url';
import { OuaError } from '../../../src/base/errors.js';
import {
  medianInterval,
  ratios,
  samplesOf,
  type Comparison,
  type Interval,
  type Round,
  type Sample,
} from '../pairs.js';
import type { Figures, Surroundings, Work } from '../work.js';
import { inspectProgram, peakAboveNode } from './ours.js';
import { openPeers, type Peers } from './peers.js';
import { timeProgram, type Program } from './run.js';
import { imageOf, openImages, type Image, type Size } from './setup.js';

const tools = ['warm', 'cold', 'crash', 'drgn'] as const;
type Tool = (typeof tools)[number];
type Variant = `${Tool}-${Size}`;

/** What is asked for, in each tool's own words. */
interface Question {
  /** Begins the names of the figures. */
  readonly key: string;
  /** `inspect --only`. */
  readonly parts: string;
  readonly crash: readonly string[];
  /** A script beside this file. */
  readonly drgn: string;
}

const mebi = 1 << 20;
/** Every answer has init in it, and a good many lines. */
const leastLines = 20;
const scripts = new URL('../../../../test/bench/introspection/', import.meta.url);

export const openProcesses = (around: Surroundings) =>
  openList(around, { key: 'ps', parts: 'processes', crash: ['ps'], drgn: 'processes.py' });

export const openEverything = (around: Surroundings) =>
  openList(around, {
    key: 'all',
    parts: 'processes,modules,mounts',
    crash: ['ps', 'mod', 'mount'],
    drgn: 'everything.py',
  });

/** One question, put to us with and without a profile, to crash and to drgn: whole processes, over the same images. */
async function openList(around: Surroundings, question: Question): Promise<Work<Variant>> {
  const { folder, signal, say } = around;
  const images = await openImages(around);
  const [first] = images as readonly [Image, ...Image[]];
  const peers = await openPeers(first.profile, say);
  const sizes = images.map(({ size }) => size);
  const programOf = (variant: Variant): Program => {
    const [tool, size] = split(variant);
    return programs[tool](imageOf(images, size), question, peers);
  };
  const peaks: number[] = [];
  for (const image of images)
    for (const start of ['warm', 'cold'] as const)
      peaks.push(await peakAboveNode(inspectProgram(start, question.parts, image), folder, signal));
  return {
    variants: sizes.flatMap((size) => tools.map((tool): Variant => `${tool}-${size}`)),
    comparisons: comparisonsOf(sizes),
    run: (variant) => timed(programOf(variant), variant, folder, signal),
    figures: (rounds) => ({ ...figuresOf(rounds, sizes, question.key), ...peakFigure(peaks, question.key) }),
    facts: { kernel: first.profile.release, question: question.parts, versions: peers.versions },
  };
}

const programs: Record<Tool, (image: Image, question: Question, peers: Peers) => Program> = {
  warm: (image, { parts }) => inspectProgram('warm', parts, image),
  cold: (image, { parts }) => inspectProgram('cold', parts, image),
  crash: ({ path }, question, { crash, vmlinux }) => ({
    argv: [...crash, '-s', vmlinux, path],
    input: [...question.crash, 'quit', ''].join('\n'),
  }),
  drgn: ({ path }, question, { drgn, vmlinux, environment }) => ({
    argv: [drgn, '-q', '-c', path, '-s', vmlinux, fileURLToPath(new URL(question.drgn, scripts))],
    environment,
  }),
};

async function timed(
  program: Program,
  variant: Variant,
  folder: string,
  signal: AbortSignal,
): Promise<Sample> {
  const { seconds, output } = await timeProgram(program, folder, signal);
  if (output.split('\n').length < leastLines || !output.includes('systemd'))
    throw new OuaError('HOST_FAILED', `${variant} does not show the guest's processes`, output.slice(0, 500));
  return { seconds };
}

function comparisonsOf(sizes: readonly Size[]): Comparison<Variant>[] {
  const [small, ...larger] = sizes as readonly [Size, ...Size[]];
  return [
    ...sizes.flatMap((size): Comparison<Variant>[] => [
      [`drgn-${size}`, `warm-${size}`],
      [`crash-${size}`, `cold-${size}`],
    ]),
    ...larger.flatMap((size): Comparison<Variant>[] => [
      [`warm-${size}`, `warm-${small}`],
      [`cold-${size}`, `cold-${small}`],
    ]),
  ];
}

function figuresOf(rounds: readonly Round<Variant>[], sizes: readonly Size[], key: string): Figures {
  const figures: Record<string, Interval> = {};
  for (const size of sizes)
    for (const tool of tools)
      figures[`${key}_${tool}_${size}_s`] = medianInterval(
        samplesOf(rounds, `${tool}-${size}`).map(({ seconds }) => seconds),
      );
  for (const comparison of comparisonsOf(sizes))
    figures[nameOf(key, comparison)] = medianInterval(ratios(rounds, comparison));
  return figures;
}

function nameOf(key: string, [variant, base]: Comparison<Variant>): string {
  const [[tool, size], [start]] = [split(variant), split(base)];
  return tool === start ? `${key}_${tool}_growth` : `${key}_${start}_speedup_vs_${tool}_${size}`;
}

/** The largest of what was measured: not a sample of anything. */
export function peakFigure(bytes: readonly number[], key: string): Figures {
  const peak = Math.max(...bytes) / mebi;
  return { [`${key}_peak_mib`]: { median: peak, low: peak, high: peak } };
}

function split(variant: Variant): [Tool, Size] {
  const [tool, size] = variant.split('-');
  return [tool as Tool, Number(size) as Size];
}
