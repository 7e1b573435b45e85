import { memoryFormats } from '../memory/open.js';

/** What `--help` says of `--memory` and `--memory-format`, in every command that has them. */
export const memoryHelp = 'memory image of the guest, or qmp:SOCKET of its QEMU while it is paused';
export const memoryFormatHelp = `format of the memory image (default: detected): ${memoryFormats.join(', ')}`;
