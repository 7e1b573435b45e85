import { writeFileSync } from 'node:fs';
import { livePage } from '../../../src/planner/live/page.js';

/** Writes docs/live-actions.md anew: run it after a change of the table. */
writeFileSync(new URL('../../../../docs/live-actions.md', import.meta.url), livePage());
