import { constants } from 'node:os';

/** glibc's SIGRTMIN: the two before it are its own. */
const firstRealTime = 34;

/** Aliases come after the names that signal(7) prefers. */
const names = new Map(
  Object.entries(constants.signals)
    .reverse()
    .map(([name, number]): [number, string] => [number, name]),
);

/** The name that kill(1) takes: `SIGHUP`, `SIGRTMIN+3`. */
export function signalName(number: number): string {
  if (number >= firstRealTime)
    return number === firstRealTime ? 'SIGRTMIN' : `SIGRTMIN+${number - firstRealTime}`;
  return names.get(number) ?? String(number);
}
