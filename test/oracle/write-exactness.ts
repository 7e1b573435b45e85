import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { format, resolveConfig } from 'prettier';
import yargs from 'yargs';
import { hideBin } from 'yargs/helpers';
import { installation } from '../../src/base/installation.js';
import { runCommandLine } from '../command-line.js';
import { oracleDocument } from './document.js';
import { exactnessPage } from './exactness.js';

const page = fileURLToPath(new URL('docs/exactness.md', installation));

async function write(files: readonly string[]): Promise<void> {
  const documents = files.map((file) => oracleDocument.parse(JSON.parse(readFileSync(file, 'utf8'))));
  const options = (await resolveConfig(page)) ?? {};
  writeFileSync(page, await format(exactnessPage(documents), { ...options, parser: 'markdown' }));
}

const parser = yargs(hideBin(process.argv))
  .scriptName('exactness')
  .usage('$0 DOCUMENT …\n\nWrites docs/exactness.md from documents of `npm run oracle -- … --json`.')
  .command(
    '$0 <documents..>',
    false,
    (command) => command.positional('documents', { type: 'string', array: true, demandOption: true }),
    ({ documents }) => write(documents),
  );

await runCommandLine('exactness', parser);
