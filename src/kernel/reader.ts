import { createHash } from 'node:crypto';
import { enumerators } from './enumerators.js';
import { anonymousFields, structFields } from './fields.js';
import { optionalSymbols, requiredSymbols } from './symbols.js';
import { sysctlHandlers } from './sysctl-handlers.js';

/** Every symbol that a profile holds when the kernel has it. */
export const wantedSymbols: readonly string[] = [
  ...requiredSymbols,
  ...optionalSymbols,
  ...Object.values(sysctlHandlers).flat(),
];

/**
 * Names what this program reads of a kernel: 16 hexadecimal digits. A profile that was made for something else may
 * lack what its kernel has.
 */
export const reader = createHash('sha256')
  .update(JSON.stringify({ structFields, anonymousFields, enumerators, wantedSymbols }))
  .digest('hex')
  .slice(0, 16);
