const NT_GNU_BUILD_ID = 3;

/** The build id in a notes section (`elf.5`, NT_GNU_BUILD_ID), in hexadecimal digits. */
export function findBuildId(notes: Buffer): string | undefined {
  for (let at = 0; at + 12 <= notes.length;) {
    const nameSize = notes.readUInt32LE(at);
    const size = notes.readUInt32LE(at + 4);
    const name = at + 12;
    const description = name + align4(nameSize);
    const end = description + align4(size);
    if (nameSize > notes.length || size > notes.length || end > notes.length) return undefined;
    if (
      notes.readUInt32LE(at + 8) === NT_GNU_BUILD_ID &&
      notes.toString('latin1', name, name + nameSize) === 'GNU\0'
    )
      return size >= 8 && size <= 32 ? notes.toString('hex', description, description + size) : undefined;
    at = end;
  }
  return undefined;
}

function align4(value: number): number {
  return (value + 3) & ~3;
}
