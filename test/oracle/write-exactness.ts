import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { format, resolveConfig } from 'prettier';
import { OuaError } from '../../src/base/errors.js';
import { installation } from '../../src/base/installation.js';
import { oracleDocument } from './document.js';
import { exactnessPage } from './exactness.js';

/** Writes `docs/exactness.md` from the documents of `npm run oracle -- … --json`. */
const files = process.argv.slice(2);
if (files.length === 0)
  throw new OuaError('USAGE', 'no document is named', 'npm run exactness -- DOCUMENT.json …');
const documents = files.map((file) => oracleDocument.parse(JSON.parse(readFileSync(file, 'utf8'))));
const page = fileURLToPath(new URL('docs/exactness.md', installation));
const options = (await resolveConfig(page)) ?? {};
writeFileSync(page, await format(exactnessPage(documents), { ...options, parser: 'markdown' }));
