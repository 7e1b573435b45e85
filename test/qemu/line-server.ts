import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface LineServer extends AsyncDisposable {
  readonly path: string;
  /** Everything that clients sent, line by line. */
  readonly received: readonly string[];
}

/** A scripted peer on a Unix socket: greets, and hands each line to `answer`. */
export async function lineServer(
  greeting: string | undefined,
  answer: (line: string, socket: Socket) => void,
): Promise<LineServer> {
  const directory = await mkdtemp(join(tmpdir(), 'ouassister-'));
  const path = join(directory, 'socket');
  const received: string[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => socket.destroy());
    if (greeting !== undefined) socket.write(greeting + '\n');
    let text = '';
    socket.on('data', (data) => {
      text += data.toString('latin1');
      for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n')) {
        const line = text.slice(0, end);
        text = text.slice(end + 1);
        received.push(line);
        answer(line, socket);
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  return {
    path,
    received,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
      await rm(directory, { recursive: true, force: true });
    },
  };
}
