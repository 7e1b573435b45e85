import { OuaError } from '../../../base/errors.js';
import type { DebconfQuestion } from '../../../plan/model.js';
import { readInShadow } from '../../../shadow/fs/read.js';

/** Where debconf.conf(5) has the databases as Debian ships it. A guest that has them elsewhere tells nothing. */
const files = {
  config: '/var/cache/debconf/config.dat',
  passwords: '/var/cache/debconf/passwords.dat',
  templates: '/var/cache/debconf/templates.dat',
} as const;
/** Bytes: a full desktop's templates, with all their translations, have some 20 MiB. */
const longest = 256 << 20;

/** Paragraphs, as they are, by the name of their question or template. */
type Paragraphs = ReadonlyMap<string, string>;

/** The questions of each database. */
export type DebconfQuestions = Readonly<Record<'config' | 'passwords', Paragraphs>>;

export function readQuestions(root: string): DebconfQuestions {
  return { config: readParagraphs(root, 'config'), passwords: readParagraphs(root, 'passwords') };
}

function readParagraphs(root: string, database: keyof typeof files): Paragraphs {
  const text = readInShadow(root, files[database], longest)?.toString('utf8') ?? '';
  return new Map(
    text.split(/\n{2,}/).flatMap((paragraph) => {
      const name = field(paragraph, 'Name');
      return name === undefined ? [] : [[name, paragraph] as const];
    }),
  );
}

/** A field of a paragraph, in which a newline is `\n` (Debconf::Format::822). */
function field(paragraph: string, name: string): string | undefined {
  const line = paragraph.split('\n').find((each) => each.startsWith(`${name}:`));
  return line?.slice(name.length + 1).trim();
}

const list = (text: string | undefined): string[] => text?.split(/,\s+/).filter(Boolean) ?? [];

/**
 * The questions that were asked, answered or declared since `before`, by name. The value of a password, and of a
 * question of which it does not show that it is none, is withheld.
 */
export function changedQuestions(root: string, before: DebconfQuestions): DebconfQuestion[] {
  const after = readQuestions(root);
  const changed = (['config', 'passwords'] as const).flatMap((database) =>
    [...after[database]]
      .filter(([name, paragraph]) => before[database].get(name) !== paragraph)
      .map(([name, paragraph]) => ({ name, paragraph, isPassword: database === 'passwords' })),
  );
  if (changed.length === 0) return [];
  const templates = readParagraphs(root, 'templates');
  // Of a question in both databases debconf takes that of the first, config.
  const byName = new Map(changed.reverse().map((each) => [each.name, question(each, templates)]));
  return [...byName.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}

function question(
  { name, paragraph, isPassword }: { name: string; paragraph: string; isPassword: boolean },
  templates: Paragraphs,
): DebconfQuestion {
  const template = templates.get(field(paragraph, 'Template') ?? name) ?? '';
  const type = field(template, 'Type');
  const withheld = isPassword || type === undefined || type === 'password';
  // As db_get has it: what was not answered has the template's default.
  const value = withheld ? undefined : (field(paragraph, 'Value') ?? field(template, 'Default'));
  return {
    ...{ name, type, withheld, value },
    seen: list(field(paragraph, 'Flags')).includes('seen'),
    owners: list(field(paragraph, 'Owners')),
  };
}

/** Types that debconf-set-selections(1) takes, and the values that only they may have. */
const selectionTypes: Readonly<Record<string, RegExp | undefined>> = {
  ...{ string: undefined, select: undefined, multiselect: undefined, password: undefined },
  ...{ text: undefined, note: undefined, title: undefined },
  boolean: /^(true|false|)$/,
  // Not a type: the flag that a question has when a person has seen it.
  seen: /^(true|false)$/,
};

/**
 * Checks answers in the format of debconf-set-selections(1): a line `OWNER QUESTION TYPE VALUE` each; `#` begins a
 * comment, and `\` at the end joins the next line. That program skips what it does not know; here it is an error.
 *
 * @param source what messages call it
 * @throws OuaError `USAGE` with the number of the first bad line, and nothing that is in it
 */
export function checkSelections(text: string, source: string): void {
  const lines = text.replace(/\n$/, '').split('\n');
  for (let at = 0; at < lines.length; at++) {
    const number = at + 1;
    let line = lines[at]!.replace(/\r$/, '');
    while (line.endsWith('\\') && at + 1 < lines.length)
      line = line.slice(0, -1) + lines[++at]!.replace(/\r$/, '');
    if (/^\s*(#|$)/.test(line)) continue;
    const fault = selectionFault(line);
    if (fault !== undefined)
      throw new OuaError(
        'USAGE',
        `${source}, line ${number}: ${fault}`,
        'a line is OWNER QUESTION TYPE VALUE, as debconf-get-selections prints it; see debconf-set-selections(1)',
      );
  }
}

/** No word of the line: where one is missing, a password may be in its place. */
function selectionFault(line: string): string | undefined {
  if (line.includes('\0')) return 'there is a NUL in it';
  const [, type, value = ''] = /^\s*\S+\s+\S+\s+(\S+)(?:\s(.*))?/s.exec(line) ?? [];
  if (type === undefined) return 'an owner, a question and a type are wanted';
  if (!Object.hasOwn(selectionTypes, type))
    return `its third word is no type (${Object.keys(selectionTypes).join(', ')})`;
  const values = selectionTypes[type];
  return values?.test(value.trim()) === false ? `its fourth word is neither true nor false` : undefined;
}
