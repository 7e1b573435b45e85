/** Loaded before a program of ours (`node --import`): writes the most memory that it held to a file, in bytes. */
import { writeFileSync } from 'node:fs';

const path = process.env['OUASSISTER_PEAK_FILE'];
if (path !== undefined)
  process.on('exit', () => writeFileSync(path, String(process.resourceUsage().maxRSS * 1024)));
