import { createServer, type Socket } from 'node:net';
import { once } from 'node:events';
import { chmodSync } from 'node:fs';

/** Connections that a sandbox may hold open to its log at a time. */
const mostConnections = 256;

/**
 * A `/dev/log` that takes messages and drops them. Without one, programs that log die (mariadb's postinst left
 * its database empty). It is a stream socket, which syslog(3) and logger(1) fall back to: a datagram socket
 * would have to be read in time.
 */
export async function makeLogSink(path: string): Promise<AsyncDisposable> {
  const connections = new Set<Socket>();
  const server = createServer((socket) => {
    connections.add(socket);
    socket.on('close', () => connections.delete(socket));
    socket.on('error', () => socket.destroy());
    socket.resume();
  });
  server.maxConnections = mostConnections;
  server.listen(path);
  await once(server, 'listening');
  server.unref();
  chmodSync(path, 0o666);
  return {
    [Symbol.asyncDispose]: () =>
      new Promise((resolve, reject) => {
        server.close((error) => (error ? reject(error) : resolve()));
        for (const socket of connections) socket.destroy();
      }),
  };
}
