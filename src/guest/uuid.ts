/** 8-4-4-4-12 text of 16 bytes, or undefined when they are all zero. */
export function uuidText(bytes: Buffer): string | undefined {
  if (bytes.every((byte) => byte === 0)) return undefined;
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
