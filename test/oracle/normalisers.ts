import { initrdListing } from './initrd.js';

const times = (text: string) => text.replace(/\d{4}[-/]\d\d[-/]\d\d +\d\d:\d\d:\d\d(\.\d+)?/g, 'TIME');
/** As date(1) prints them. */
const dates = (text: string) => text.replace(/\w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \w+ \d{4}/g, 'DATE');
const processes = (text: string) => text.replace(/\d+#\d+:|\[\d+\]|\(PID \d+\)/g, 'PROCESS');
/** As PostgreSQL says how long a checkpoint took, or a recovery. */
const durations = (text: string) => text.replace(/(=|: )\d+\.\d+ s\b/g, '$1DURATION');
/** As ssh-keygen prints them. */
const fingerprints = (text: string) => text.replace(/SHA256:[A-Za-z0-9+/]{43}/g, 'FINGERPRINT');
/** Long runs of base64, over as many lines as they take. */
const keys = (text: string) => text.replace(/[A-Za-z0-9+/]{20,}(\n?[A-Za-z0-9+/=]+)*/g, 'KEY');

/** Where Berkeley DB keeps a file's random id in its first page (`struct _dbmeta33`, `uid`); each database in it has it again. */
const databaseId = { start: 52, end: 72 };
const databaseIds = (text: string) => text.replaceAll(text.slice(databaseId.start, databaseId.end), 'ID');
/** A value, the type of the item after it, and the key that it has; postalias(1) writes it last. */
const aliasTimes = (text: string) => text.replace(/\d{10}(?=[^]YP_LAST_MODIFIED)/, 'TIME');

/** One that cannot be unpacked stays as it is: then it differs from every other. */
function initrd(text: string): string {
  try {
    return initrdListing(Buffer.from(text, 'latin1'));
  } catch {
    return text;
  }
}

/** What of a content does not count, for rows of the allow-list that still compare the rest of it. */
export const normalisers = {
  /** Dates and times of day. */
  times,
  /** The same, durations, and process ids as nginx and PostgreSQL write them. */
  'times and processes': (text: string) => processes(durations(times(text))),
  /** What scripts say on apt's terminal: times, and fingerprints of keys that they made. */
  'times and fingerprints': (text: string) => fingerprints(dates(times(text))),
  /** The bytes of keys and certificates. */
  keys,
  /** Those that are padded to a width, too. */
  numbers: (text: string) => text.replace(/ +(?=\d)/g, ' ').replace(/\d+/g, 'N'),
  /** The id that Berkeley DB gives a file, and the time that postalias writes into one. */
  'alias database': (text: string) => aliasTimes(databaseIds(text)),
  /** Compression, inode numbers and times. */
  'initrd packing': initrd,
} as const satisfies Readonly<Record<string, (text: string) => string>>;

export type Normaliser = keyof typeof normalisers;
