/** What of a content does not count, for rows of the allow-list that still compare the rest of it. */
export const normalisers = {
  /** Dates and times of day as logs of dpkg, apt and update-alternatives have them. */
  times: (text: string) => text.replace(/\d{4}-\d\d-\d\d +\d\d:\d\d:\d\d/g, 'TIME'),
  /** The order of lines. */
  'line order': (text: string) => text.split('\n').sort().join('\n'),
} as const satisfies Readonly<Record<string, (text: string) => string>>;

export type Normaliser = keyof typeof normalisers;
