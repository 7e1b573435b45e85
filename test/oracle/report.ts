import type { CaseResult, OracleDocument } from './document.js';

const shown = 20;

/** What people read: a line for each case, and its differences below. */
export function table({ cases, allowList, allowListUnseen, seconds }: OracleDocument): string {
  const same = cases.filter(({ result }) => result === 'identical').length;
  return [
    ...cases.flatMap(caseLines),
    `${same} of ${cases.length} cases are identical; the allow-list has ${allowList} rows; ${seconds} s`,
    ...(allowListUnseen ?? []).map(
      ({ path, why }) => `not seen to differ between references: ${path} (${why})`,
    ),
  ].join('\n');
}

function caseLines(result: CaseResult): string[] {
  const { package: name, operation, guest, policy, order, differences, unsteady, error } = result;
  const head = [name.padEnd(24), operation.padEnd(13), guest, policy, order.padEnd(7), result.result];
  return [
    head.join(' '),
    ...(error === undefined ? [] : [`    ${error}`]),
    ...tell('', differences, 'reference', 'candidate'),
    ...tell('the references differ: ', unsteady, 'first', 'second'),
  ];
}

function tell(about: string, found: CaseResult['differences'], left: string, right: string): string[] {
  const lines = found
    .slice(0, shown)
    .flatMap(({ path, aspect, reference, candidate }) => [
      `    ${about}${path}: ${aspect}`,
      ...indent(left, reference),
      ...indent(right, candidate),
    ]);
  return found.length > shown ? [...lines, `    … and ${found.length - shown} more`] : lines;
}

function indent(who: string, text: string): string[] {
  return text === '' ? [] : text.split('\n').map((line) => `      ${who.padEnd(10)} ${line}`);
}
