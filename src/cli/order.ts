import type { ChangeOrder } from '../plan/model.js';

/** How a plan's order is told to people: what is not the order in which things happened is nothing to rely on. */
export function orderInWords(order: ChangeOrder): string {
  return order === 'log' ? 'log' : `${order} (for comparison only: not the order in which things happened)`;
}
