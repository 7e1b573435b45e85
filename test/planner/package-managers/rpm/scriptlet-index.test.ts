import {
  ScriptletIndex,
  type RunningScriptlet,
} from '../../../../src/planner/package-managers/rpm/scriptlet-index.js';
import type { Scriptlet } from '../../../../src/planner/package-managers/rpm/scriptlets.js';

const scriptlet = (
  name: string,
  kind: Scriptlet['kind'],
  text = 'true',
  program = ['/bin/sh'],
): Scriptlet => ({
  ...{ package: name, kind, program, text },
});
const running = (args: string, installing?: string, rest: Partial<RunningScriptlet> = {}) => ({
  ...{ program: ['/bin/sh'], text: 'true', args: args.split(' '), installing },
  ...rest,
});

function find(known: readonly Scriptlet[], what: RunningScriptlet): string | undefined {
  const index = new ScriptletIndex();
  index.add(known);
  const found = index.find(what);
  return found && `${found.package}.${found.kind}`;
}

test('a text that only one scriptlet has tells which it is', () => {
  const known = [scriptlet('a', 'post', 'x'), scriptlet('b', 'post', 'y')];
  expect(find(known, running('1', undefined, { text: 'y' }))).toBe('b.post');
  expect(find(known, running('1', undefined, { text: 'z' }))).toBeUndefined();
  expect(find(known, running('1', undefined, { text: 'y', program: ['/bin/bash'] }))).toBeUndefined();
});

test('of several with one text, the arguments and what rpm has open tell', () => {
  const known = (['pre', 'post', 'preun', 'triggerin', 'filetriggerin'] as const).map((kind) =>
    scriptlet('a', kind),
  );
  expect(find(known, running('1 1', 'b'))).toBe('a.triggerin');
  expect(find(known, running('0', 'b'))).toBe('a.filetriggerin');
  expect(find(known, running('1'))).toBe('a.preun');
  const both = [scriptlet('a', 'post'), scriptlet('b', 'post'), scriptlet('b', 'postun')];
  expect(find(both, running('1', 'a'))).toBe('a.post');
  expect(find(both, running('0'))).toBe('b.postun');
});

test('what cannot be told is not guessed', () => {
  expect(find([scriptlet('a', 'pre'), scriptlet('a', 'post')], running('1', 'a'))).toBe('a.unknown');
  expect(find([scriptlet('a', 'postun'), scriptlet('b', 'postun')], running('1'))).toBe('unknown.postun');
  expect(find([scriptlet('a', 'preun'), scriptlet('b', 'postun')], running('0'))).toBe('unknown.unknown');
});

test('a program alone is one without a text', () => {
  const alone: Scriptlet = { package: 'a', kind: 'post', program: ['/sbin/ldconfig'], text: undefined };
  const call = { program: ['/sbin/ldconfig'], text: undefined, args: [], installing: 'a' };
  expect(find([alone], call)).toBe('a.post');
  expect(find([alone], { ...call, text: '' })).toBeUndefined();
});
