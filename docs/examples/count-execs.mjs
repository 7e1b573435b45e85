// Counts the programs that a command runs, the ones that its children run included:
//
//   node docs/examples/count-execs.mjs make -j2
//
import { trace } from 'ouassister/tracer';

const counts = new Map();

const run = trace({
  command: process.argv.slice(2),
  onEvent(event) {
    if (event.type !== 'exec') return;
    const program = event.call.absolutePath.toString();
    counts.set(program, (counts.get(program) ?? 0) + 1);
  },
});

const { exitStatus, counts: seen } = await run.result;

const busiestFirst = [...counts].sort(([, one], [, other]) => other - one);
for (const [program, count] of busiestFirst) console.error(`${String(count).padStart(6)}  ${program}`);
console.error(`${String(seen.execs).padStart(6)}  in all, by ${seen.forks + 1} processes and threads`);

process.exitCode = exitStatus;
