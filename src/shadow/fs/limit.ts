/** How much an update may write. */

/** Bytes, unless the caller wants less. */
export const defaultLimit = 16 * 2 ** 30;
/** Share of the host's free space that we may fill at most. */
export const freeShare = 0.9;

export const limitInWords = 'the limit is nine tenths of what was free where TMPDIR is, 16 GiB at most';
