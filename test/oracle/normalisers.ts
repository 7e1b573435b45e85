const time = /\d{4}[-/]\d\d[-/]\d\d +\d\d:\d\d:\d\d/g;

/** What of a content does not count, for rows of the allow-list that still compare the rest of it. */
export const normalisers = {
  /** Dates and times of day as logs have them. */
  times: (text: string) => text.replace(time, 'TIME'),
  /** The same, and the process that speaks, as nginx writes it. */
  'times and processes': (text: string) => text.replace(time, 'TIME').replace(/\d+#\d+:/g, 'PROCESS:'),
} as const satisfies Readonly<Record<string, (text: string) => string>>;

export type Normaliser = keyof typeof normalisers;
