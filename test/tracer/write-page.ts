import { writeFileSync } from 'node:fs';
import { syscallEntries } from '../../src/tracer/listing.js';
import { syscallsPage } from '../../src/tracer/page.js';

/** Writes docs/syscalls.md anew: run it after a change of the table. */
writeFileSync(new URL('../../../docs/syscalls.md', import.meta.url), syscallsPage(syscallEntries()));
