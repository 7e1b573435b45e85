/** What can be different about one thing, in the order in which it is told. */
export const aspects = [
  'presence',
  'type',
  'mode',
  'owner',
  'device',
  'target',
  'content',
  'xattrs',
  'links',
  'mtime',
] as const;
export type Aspect = (typeof aspects)[number];

/**
 * One thing of a guest that is compared: a file, or a fact about the running system. The path of a fact begins with
 * `live:` instead of a slash.
 */
export interface Item {
  /** Everything that is compared, as text; undefined: it has no such thing. Read when it is asked for. */
  aspect(name: Exclude<Aspect, 'presence'>): string | undefined;
  /**
   * The content itself, one character a byte (latin1), where it is worth normalising and showing; undefined: it is
   * none, or too long.
   */
  text(): string | undefined;
  /** Two items with the same identity are the same but for their other names: there is nothing to be read. */
  readonly identity: string | undefined;
}

/** All that is compared of one guest, by path. */
export type Observation = ReadonlyMap<string, Item>;

/** A fact about the running system. */
export function fact(value: string): Item {
  return {
    aspect: (name) => (name === 'content' ? value : undefined),
    text: () => Buffer.from(value).toString('latin1'),
    identity: undefined,
  };
}
