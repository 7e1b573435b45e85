import { OuaError } from '../src/base/errors.js';

/** The code of the OuaError that an action throws, `none` when it throws nothing. */
export function codeOf(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    if (error instanceof OuaError) return error.code;
    throw error;
  }
  return 'none';
}

/** The same for an action that takes its time. */
export async function codeOfAsync(action: () => Promise<unknown>): Promise<string> {
  try {
    await action();
  } catch (error) {
    if (error instanceof OuaError) return error.code;
    throw error;
  }
  return 'none';
}
