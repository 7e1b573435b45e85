/** Lines of a System.map, and of /proc/kallsyms: address, type letter, name. */
const line = /^([0-9a-f]{1,16}) [a-zA-Z] (\S+)/gm;

/** Addresses by name, the first of each. */
export function parseSystemMap(text: string): ReadonlyMap<string, bigint> {
  const symbols = new Map<string, bigint>();
  for (const [, digits, name] of text.matchAll(line))
    if (!symbols.has(name as string)) symbols.set(name as string, BigInt(`0x${digits}`));
  return symbols;
}
