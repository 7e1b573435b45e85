/** The words of a command line, told apart as getopt_long(3) does. */
export interface CommandLine {
  /** By its long name, or the letter of a short one; '' when it takes no value. Several values of one are joined by commas. */
  readonly options: ReadonlyMap<string, string>;
  readonly words: readonly string[];
}

/**
 * @param withValue long names and letters of options that take a value in the next word, or behind `=` or their letter
 */
export function parseOptions(argv: readonly string[], withValue: ReadonlySet<string>): CommandLine {
  const options = new Map<string, string>();
  const words: string[] = [];
  const rest = argv.slice(1);
  const set = (name: string, value: string) => {
    const before = options.get(name);
    options.set(name, before ? `${before},${value}` : value);
  };
  for (let at = 0; at < rest.length; at++) {
    const word = rest[at]!;
    if (word === '--') {
      words.push(...rest.slice(at + 1));
      break;
    }
    const long = /^--([^=]+)(?:=([^]*))?$/.exec(word);
    if (long) {
      const [, name = '', value] = long;
      set(name, value ?? (withValue.has(name) ? (rest[++at] ?? '') : ''));
    } else if (/^-./.test(word)) {
      for (let letter = 1; letter < word.length; letter++) {
        const name = word[letter]!;
        if (!withValue.has(name)) set(name, '');
        else {
          set(name, word.slice(letter + 1) || (rest[++at] ?? ''));
          break;
        }
      }
    } else words.push(word);
  }
  return { options, words };
}
