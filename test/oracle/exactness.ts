import type { CaseResult, OracleDocument } from './document.js';
import { operations } from './operations.js';

const mostPaths = 6;

/** Results of the same package and operation in a guest of the same kind, planned in the same way. */
const variantOf = ({ guest, policy, order }: CaseResult) => `${policy}, ${order}, ${guest}`;

/**
 * The page about runs of the oracle: what came out for each way to plan and each package, and below it what differed.
 * Later documents replace what earlier ones say of the same case.
 */
export function exactnessPage(documents: readonly OracleDocument[]): string {
  const cases = newest(documents);
  const variants = [...new Set(cases.map(variantOf))];
  const packages = [...new Set(cases.map((result) => result.package))];
  const of = (variant: string) => cases.filter((result) => variantOf(result) === variant);
  const rows = documents.at(-1)?.allowList ?? 0;
  return [
    '# Exactness',
    '',
    'Generated from runs of the oracle ([what it compares](oracle.md)) with `npm run exactness -- DOCUMENT.json …`.',
    'Each update was run inside two copies of a guest, and planned for and applied to a third one. Columns are policy,',
    `order and kind of guest. \`=\` is identical, a number is how many things differ, \`!\` is failed. The allow-list had ${rows} rows.`,
    '',
    tableRow(['', ...variants]),
    tableRow(['---', ...variants.map(() => '---')]),
    tableRow(['**identical**', ...variants.map((variant) => `**${share(of(variant))}**`)]),
    ...packages.map((name) =>
      tableRow([name, ...variants.map((variant) => cell(of(variant).filter((it) => it.package === name)))]),
    ),
    ...variants.flatMap((variant) => details(variant, of(variant))),
    '',
  ].join('\n');
}

function newest(documents: readonly OracleDocument[]): CaseResult[] {
  const cases = new Map<string, CaseResult>();
  for (const result of documents.flatMap((document) => document.cases))
    cases.set(`${variantOf(result)} ${result.package} ${result.operation}`, result);
  return [...cases.values()];
}

function share(cases: readonly CaseResult[]): string {
  return `${cases.filter(({ result }) => result === 'identical').length} of ${cases.length}`;
}

const marks: Readonly<Record<CaseResult['result'], (result: CaseResult) => string>> = {
  identical: () => '=',
  differs: ({ differences }) => String(differences.length),
  failed: () => '!',
};

function cell(cases: readonly CaseResult[]): string {
  return [...cases]
    .sort((a, b) => operations.indexOf(a.operation) - operations.indexOf(b.operation))
    .map((result) => `${result.operation} ${marks[result.result](result)}`)
    .join(', ');
}

function details(variant: string, cases: readonly CaseResult[]): string[] {
  const wrong = cases.filter(({ result }) => result !== 'identical');
  if (wrong.length === 0) return [];
  return ['', `## What differs: ${variant}`, '', ...wrong.map((result) => `- ${sentence(result)}`)];
}

function sentence({ package: name, operation, differences, error }: CaseResult): string {
  const head = `${name}, ${operation}:`;
  if (error !== undefined) return `${head} ${code(error)}`;
  const told = differences.slice(0, mostPaths).map(({ path, aspect }) => `${code(path)} (${aspect})`);
  const more = differences.length > mostPaths ? [`${differences.length - mostPaths} more`] : [];
  return `${head} ${[...told, ...more].join(', ')}`;
}

function tableRow(cells: readonly string[]): string {
  return `| ${cells.join(' | ')} |`;
}

/** Text as it is, on one line; Markdown has no other way to quote a grave accent than not to have it. */
function code(text: string): string {
  return `\`${text.replace(/\s+/g, ' ').replaceAll('`', "'").replaceAll('|', '¦').slice(0, 300)}\``;
}
