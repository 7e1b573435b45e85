import { openApt } from './apt.js';
import { openForkExec } from './forkexec.js';
import { openMake } from './make.js';
import { openUname } from './uname.js';

/** The works of the engine's benchmark, in the order in which they are done. */
export const engineWorks = {
  uname: openUname,
  forkexec: openForkExec,
  make: openMake,
  apt: openApt,
} as const;
