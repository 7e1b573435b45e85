/** A piece of a machine's RAM: where it is in the machine, and where in the RAM as one row of bytes. */
export interface Piece {
  readonly address: number;
  readonly offset: number;
  readonly length: number;
}

const gib = 2 ** 30;

/** RAM from address 0 on; from `atLeast` bytes on it is split at `low`, and the rest is at 4 GiB. */
function pc(atLeast: number, low: number): (length: number) => Piece[] {
  return (length) =>
    length < atLeast
      ? onePiece(0)(length)
      : [
          { address: 0, offset: 0, length: low },
          { address: 4 * gib, offset: low, length: length - low },
        ];
}

function onePiece(address: number): (length: number) => Piece[] {
  return (length) => [{ address, offset: 0, length }];
}

/**
 * Where each board has its RAM, by the RAM's length. QEMU: pc_init1() in hw/i386/pc_piix.c, pc_q35_init() in
 * pc_q35.c (microvm.c has the same), and hw/arm/virt.c. `max-ram-below-4g` is not set.
 * VMware: `pciHole.start` is 3 GiB.
 */
export const boards = {
  flat: onePiece(0),
  i440fx: pc(3.5 * gib, 3 * gib),
  q35: pc(2.75 * gib, 2 * gib),
  vmware: pc(3 * gib + 1, 3 * gib),
  virt: onePiece(gib),
} as const satisfies Record<string, (length: number) => Piece[]>;

export type Board = keyof typeof boards;

/** Below this all boards of the PC have their RAM in one piece from address 0 on. */
export const onePieceLimit = 2.75 * gib;

/** Parts of QEMU's machine names, with what distributions make of them (`pc-q35-rhel9.2.0`). */
const machineNames: readonly (readonly [RegExp, Board])[] = [
  [/q35|^microvm/, 'q35'],
  [/i440fx|^pc(-\d|$)/, 'i440fx'],
  [/^virt-\d/, 'virt'],
];

/** The board of a QEMU machine type, or undefined for one that we do not know. */
export function boardOf(machine: string): Board | undefined {
  return machineNames.find(([pattern]) => pattern.test(machine))?.[1];
}

/** The architecture that a board alone tells. */
export function architectureOf(board: Board): string | undefined {
  return board === 'virt' ? 'aarch64' : undefined;
}
