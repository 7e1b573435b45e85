import { inspect } from 'node:util';
import Table from 'cli-table3';
import pc from 'picocolors';
import { OuaError } from '../base/errors.js';

/** Version of every JSON document that the command line prints: the minor grows when keys are added. */
export const jsonSchemaVersion = '1.0';

/** `--color` beats NO_COLOR, which beats FORCE_COLOR, which beats what the terminal is. */
export function wantsColor(flag: boolean | undefined, stream: { isTTY?: boolean } = process.stdout): boolean {
  if (flag !== undefined) return flag;
  if (process.env['NO_COLOR']) return false;
  if (process.env['FORCE_COLOR']) return process.env['FORCE_COLOR'] !== '0';
  return stream.isTTY === true;
}

/** The one document of a `--json` run. Bytes that are not UTF-8 appear as U+FFFD; bigints as decimal strings. */
export function printJson(document: object): void {
  const text = JSON.stringify(
    { schemaVersion: jsonSchemaVersion, ...document },
    (_key, value: unknown) => (typeof value === 'bigint' ? value.toString() : value),
    2,
  );
  process.stdout.write(`${text}\n`);
}

export function printText(text: string): void {
  process.stdout.write(text.endsWith('\n') ? text : `${text}\n`);
}

/**
 * A table for people. Guest-controlled text passes through `printable`, so that a file name cannot move
 * the cursor or fake a line.
 */
export function printTable(head: readonly string[], rows: readonly (readonly (string | number)[])[]): void {
  const borderless = Object.fromEntries(
    ['top', 'top-mid', 'top-left', 'top-right', 'bottom', 'bottom-mid', 'bottom-left', 'bottom-right']
      .concat(['left', 'left-mid', 'mid', 'mid-mid', 'right', 'right-mid'])
      .map((name) => [name, '']),
  );
  const table = new Table({
    head: wantsColor(undefined) ? head.map((title) => pc.bold(title)) : [...head],
    chars: { ...borderless, middle: '  ' },
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0 },
  });
  for (const row of rows) table.push(row.map((cell) => printable(String(cell))));
  printText(
    table
      .toString()
      .split('\n')
      .map((line) => line.trimEnd())
      .join('\n'),
  );
}

// eslint-disable-next-line no-control-regex -- finding control characters is what it is for
const controlCharacters = /[\x00-\x08\x0a-\x1f\x7f-\x9f]/g;

/** The same text with control characters shown as `\xNN`. */
export function printable(text: string): string {
  return text.replace(controlCharacters, (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, '0')}`);
}

/** So many of the last lines of a failed program are shown above the error; with `--json` there are all that were kept. */
const shownLines = 250;

/** Any failure as the two lines (or the document) that a user gets. Returns the exit status. */
export function printError(thrown: unknown, json: boolean): number {
  if (process.env['OUASSISTER_DEBUG'] === '1') process.stderr.write(`${inspect(thrown, { depth: 10 })}\n`);
  const error = firstThrown(thrown);
  const known =
    error instanceof OuaError
      ? error
      : new OuaError(
          'INTERNAL',
          error instanceof Error ? error.message : String(error),
          'this is a defect of ouassister: run again with OUASSISTER_DEBUG=1 for the stack and report it',
          { cause: error },
        );
  const { code, message, hint, output } = known;
  if (json) printJson({ error: { code, message, hint, ...(output !== undefined && { output }) } });
  else {
    const lines = output?.split('\n').filter((line) => line.trim() !== '') ?? [];
    for (const line of lines.slice(-shownLines)) process.stderr.write(`  ${printable(line)}\n`);
    const paint = wantsColor(undefined, process.stderr) ? pc.red : (text: string) => text;
    process.stderr.write(`${paint('error')}: ${printable(message)} [${code}]\nhint: ${hint}\n`);
  }
  return known.exitStatus;
}

/** What went wrong first, when releasing resources failed after it: `SuppressedError` of `await using`. */
function firstThrown(error: unknown): unknown {
  return error instanceof Error && 'suppressed' in error ? firstThrown(error.suppressed) : error;
}
