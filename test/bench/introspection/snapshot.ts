/** Takes one snapshot of a guest's whole `/proc` and says how long that took, without Node's own start. */
import { openGuest } from '../../../src/guest/open.js';
import { readProfile } from '../../../src/kernel/profile.js';
import { openMemory } from '../../../src/memory/open.js';
import { renderTree } from '../../../src/shadow/proc/tree.js';

const [image = '', profile] = process.argv.slice(2);
const started = performance.now();
using memory = await openMemory(image);
const guest = openGuest(memory, { profile: profile === undefined ? undefined : readProfile(profile) });
const tree = renderTree(guest);
const seconds = (performance.now() - started) / 1000;
process.stdout.write(`${JSON.stringify({ seconds, entries: tree.children.size })}\n`);
