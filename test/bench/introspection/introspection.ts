import { openEverything, openProcesses } from './lists.js';
import { openProc } from './proc.js';

/** The works of the introspection benchmark, in the order in which they are done. */
export const introspectionWorks = {
  proc: openProc,
  ps: openProcesses,
  all: openEverything,
} as const;
