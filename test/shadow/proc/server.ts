import { mountShadowProc } from '../../../src/shadow/proc/mount.js';
import { fixtureGuest } from './fixture-guest.js';

/** Mounts on the directory that its argument names and stays until it is killed: what a test ends the hard way. */
const shadow = await mountShadowProc({ guest: fixtureGuest(), directory: process.argv[2] ?? '' });
process.stdout.write('mounted\n');
setInterval(() => shadow.reads(), 1000);
