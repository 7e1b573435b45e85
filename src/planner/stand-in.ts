import { stubPath } from '../sandbox/sandbox.js';

/** What runs instead of a program, and says and returns what it is told: native-shim/stub.c. As the tracer redirects to it. */
export interface StandIn {
  readonly action: 'redirect';
  readonly path: string;
  readonly argv: readonly Buffer[];
}

/** @param output latin1, as `errors` */
export function standIn(status = 0, output = '', errors = ''): StandIn {
  const argv = ['stub', String(status), output, errors].map((word) => Buffer.from(word, 'latin1'));
  return { action: 'redirect', path: stubPath, argv };
}
