/** Spoils and reads images in a process of its own, which can be killed when it hangs. */
import { writeSync } from 'node:fs';
import type { Job, Line } from './messages.js';
import { Rounds } from './round.js';

// Written at once: a process that hangs does not get to write what waits.
const tell = (line: Line) => void writeSync(1, `${JSON.stringify(line)}\n`);

const job = JSON.parse(process.argv[2] ?? '') as Job;
using rounds = await Rounds.open(job.image);
tell({ type: 'ready' });
for (let number = job.from; number < job.to && Date.now() < job.until; number += job.step) {
  const round = await rounds.run(job.seed, number);
  tell({ type: 'round', round, peakBytes: process.resourceUsage().maxRSS * 1024 });
}
