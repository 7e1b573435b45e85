/** The tracing thread: starts the command and drives its tree until nothing is left of it. */
import { workerData } from 'node:worker_threads';
import { loadShim } from '../native/shim.js';
import type { Job } from './messages.js';
import { Tracing } from './tracing.js';

const job = workerData as Job;
const tracing = new Tracing(loadShim(job.backend), job);
try {
  tracing.run();
} finally {
  job.port.close();
}
