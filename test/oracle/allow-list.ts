import type { AllowedDifference } from './judge.js';

/**
 * What two runs of the same update inside two copies of the same guest do not agree on, and nothing else. A row is
 * here because it was seen so, and a run of the corpus names the rows that were not seen again.
 */
export const allowList: readonly AllowedDifference[] = [];
