import { memoryFormats } from '../memory/open.js';

/** What `--help` says of `--memory`, `--memory-format` and `--profile`, in every command that has them. */
export const memoryHelp = 'memory image of the guest, or qmp:SOCKET of its QEMU while it is paused';
export const profileHelp =
  'kernel profile (default: the installed one for this kernel, else one that was derived before, else derived from the image)';
export const memoryFormatHelp = `format of the memory image (default: detected): ${memoryFormats.join(', ')}`;
