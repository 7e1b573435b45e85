import { readFileSync } from 'node:fs';
import { livePage } from '../../../src/planner/live/page.js';

test('docs/live-actions.md is what the table says; write it anew with npm run pages', () => {
  const page = readFileSync(new URL('../../../../docs/live-actions.md', import.meta.url), 'utf8');
  expect(page).toBe(livePage());
});
