import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const sink = new URL('../../src/sandbox/log-sink.js', import.meta.url).href;
let folder: string;

beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'oua-test-log-'))));
afterEach(() => rmSync(folder, { recursive: true }));

/** A process of its own, because Node prints its warnings past a test. */
const script = `
  import { once } from 'node:events';
  import { createConnection } from 'node:net';
  import { makeLogSink } from '${sink}';
  const sink = await makeLogSink(process.argv[1]);
  const sockets = [];
  for (let count = 0; count < 50; count++) {
    const socket = createConnection(process.argv[1]);
    await once(socket, 'connect');
    socket.write('<14>a message');
    sockets.push(socket);
  }
  for (const socket of sockets.splice(0, 20)) await once(socket.end().resume(), 'close');
  const closed = sockets.map((socket) => once(socket.on('error', () => {}).resume(), 'close'));
  await sink[Symbol.asyncDispose]();
  console.log((await Promise.all(closed)).length, 'closed');
`;

test('takes messages of many without a warning, and closes what is still open in the end', async () => {
  const { stdout, stderr } = await promisify(execFile)('node', [
    '--input-type=module',
    '-e',
    script,
    join(folder, 'log'),
  ]);
  expect([stdout, stderr]).toEqual(['30 closed\n', '']);
  expect(readdirSync(folder)).toEqual([]);
});
