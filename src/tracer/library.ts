/** What `import … from 'ouassister/tracer'` gives: docs/tracer.md tells how to use it. */
export { OuaError } from '../base/errors.js';
export { trace } from './trace.js';
export type * from './call-event.js';
export type * from './tracer.js';
