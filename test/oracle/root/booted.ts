import { enterPrivateMountNamespace } from '../../../src/sandbox/private-mounts.js';
import { suspendedGuest } from '../../lab/suspended.js';
import { openRootOriginal } from './original.js';

/** Boots a copy of the lab's guest, says so on standard output, and waits to be killed. For `container.test.ts`. */
enterPrivateMountNamespace();
const original = await openRootOriginal(await suspendedGuest(), new AbortController().signal);
await original.reference();
process.stdout.write('booted\n');
setInterval(() => undefined, 60_000);
