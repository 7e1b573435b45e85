/** Where a member is, or was: one place of a row of `fields.ts`. */
export interface Place {
  readonly path: string;
  /** Only a member of this many bytes: tells members of one name and different meaning apart. */
  readonly size?: number;
}

export interface FieldSpec {
  readonly places: readonly Place[];
  readonly optional: boolean;
}

/** A member that every kernel has, newest place first. */
export function at(...places: (string | Place)[]): FieldSpec {
  return {
    places: places.map((place) => (typeof place === 'string' ? { path: place } : place)),
    optional: false,
  };
}

/** A member that some kernels do not have at all: its reader asks with `has()` first. */
export function optional(...places: (string | Place)[]): FieldSpec {
  return { ...at(...places), optional: true };
}
