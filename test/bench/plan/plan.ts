import { openOffline } from './offline.js';
import { openNginx, openUpgrade60 } from './updates.js';

/** The works of the planner's benchmark, in the order in which they are done. */
export const planWorks = {
  nginx: openNginx,
  upgrade60: openUpgrade60,
  offline: openOffline,
} as const;
