/**
 * Waits for all of it, whether or not it goes well, so that nothing is under way any more when this returns.
 *
 * @throws what the first in order of those that failed has thrown
 */
export async function sideBySide<T extends readonly unknown[]>(work: {
  readonly [K in keyof T]: Promise<T[K]>;
}): Promise<T> {
  const failed = (await Promise.allSettled(work)).find((each) => each.status === 'rejected');
  if (failed) throw failed.reason;
  return Promise.all(work);
}
