import { mergeSizeLimit, type FileChange, type Precondition } from '../../src/plan/model.js';
import { MergeBases } from '../../src/planner/merge-bases.js';
import type { Content } from '../../src/shadow/fs/collector.js';
import { contentId } from '../plan/sample.js';

const state = { mode: 0o644, uid: 0, gid: 0, mtime: 'now', xattrs: [] } as const;
const id = (text: string) => contentId(Buffer.from(text));
const path = (text: string) => Buffer.from(text);

const put = (at: string, text: string): FileChange => ({
  action: 'put',
  path: path(at),
  state: { ...state, type: 'file', content: id(text), size: text.length },
});
const remove = (at: string): FileChange => ({ action: 'remove', path: path(at) });

/** A guest with these files, and what gets stored of it. */
function follow(
  files: Readonly<Record<string, string | { readonly odd: Precondition; readonly size?: number }>>,
) {
  const stored: string[] = [];
  const bases = new MergeBases({
    lowerState: (at) => {
      const there = files[String(at)];
      if (there === undefined) return { type: 'absent' };
      return typeof there === 'string' ? { ...state, type: 'file', content: id(there) } : there.odd;
    },
    lowerContent: (at) => {
      const there = files[String(at)];
      if (typeof there === 'string')
        return { id: id(there), path: at, size: there.length, read: () => [Buffer.from(there)] };
      return there?.size === undefined
        ? undefined
        : { id: id(''), path: at, size: there.size, read: () => [] };
    },
  });
  const store = async ({ read, size }: Content) => {
    const bytes = Buffer.concat([...read()]);
    expect(bytes.length).toBe(size);
    stored.push(await Promise.resolve(bytes.toString()));
  };
  return { stored, follow: (...changes: FileChange[]) => bases.follow(changes, store) };
}

const mergeOf = (change: FileChange | undefined) =>
  change?.action === 'link' || !change ? undefined : change.merge;

test('each change of a database has what the plan knows to be there before', async () => {
  const guest = follow({ '/etc/passwd': 'one' });
  const first = await guest.follow(put('/etc/passwd', 'two'), put('/srv/f', 'x'), put('/etc/group', 'new'));
  expect(first.map(mergeOf)).toEqual([
    { format: 'accounts', base: id('one') },
    undefined,
    { format: 'accounts' },
  ]);
  const second = await guest.follow(put('/etc/passwd', 'three'), remove('/etc/group'));
  expect(second.map(mergeOf)).toEqual([
    { format: 'accounts', base: id('two') },
    { format: 'accounts', base: id('new') },
  ]);
  expect((await guest.follow(put('/etc/group', 'newer'))).map(mergeOf)).toEqual([{ format: 'accounts' }]);
  // What the plan itself puts is stored with its step.
  expect(guest.stored).toEqual(['one']);
});

test('nothing else of a change is changed', async () => {
  const change = put('/etc/passwd', 'two');
  const [followed] = await follow({ '/etc/passwd': 'one' }).follow(change);
  expect(followed).toEqual({ ...change, merge: { format: 'accounts', base: id('one') } });
});

test('what is, or becomes, no regular file is merged with nothing', async () => {
  const odd = { ...state, type: 'symlink', target: Buffer.from('x') } as const;
  const guest = follow({ '/etc/passwd': { odd }, '/etc/group': 'one' });
  expect(
    (
      await guest.follow(
        put('/etc/passwd', 'two'),
        put('/etc/passwd', 'three'),
        { action: 'link', path: path('/etc/group'), to: path('/etc/passwd') },
        put('/etc/group', 'two'),
      )
    ).map(mergeOf),
  ).toEqual([undefined, { format: 'accounts', base: id('two') }, undefined, undefined]);
});

test('a database that is too large to be merged is refused, before or after', async () => {
  const size = mergeSizeLimit + 1;
  const large = { odd: { ...state, type: 'file' } as const, size };
  await expect(follow({ '/etc/group': large }).follow(remove('/etc/group'))).rejects.toMatchObject({
    code: 'GUEST_UNSUPPORTED',
    message: expect.stringContaining(`/etc/group has ${size} bytes`) as string,
  });
  const change = { ...put('/etc/group', ''), state: { ...state, type: 'file', size } } as FileChange;
  await expect(follow({}).follow(change)).rejects.toMatchObject({ code: 'GUEST_UNSUPPORTED' });
});
