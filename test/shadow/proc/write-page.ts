import { writeFileSync } from 'node:fs';
import { procPage } from '../../../src/shadow/proc/page.js';

/** Writes docs/proc.md anew: run it after a change of the table. */
writeFileSync(new URL('../../../../docs/proc.md', import.meta.url), procPage());
