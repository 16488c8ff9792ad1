// The server at which the demo's model and its slow tool wait until a test releases them: one HTTP request per wait.
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Gate {
  readonly url: string;
  /** How many requests wait. One whose model was aborted is closed. */
  readonly waiting: () => number;
  /** Releases one request: one that waits, or the next one. */
  readonly release: () => void;
  /** Releases every request until `shut`. */
  readonly open: () => void;
  readonly shut: () => void;
  readonly close: () => void;
}

export async function startGate(): Promise<Gate> {
  const waiting = new Set<ServerResponse>();
  let passes = 0;
  const settle = () => {
    for (const response of waiting) {
      if (passes === 0) return;
      passes--;
      waiting.delete(response);
      response.end();
    }
  };
  const server = createServer((_request, response) => {
    waiting.add(response);
    // A request whose model was stopped or crashed uses no pass.
    response.once('close', () => waiting.delete(response));
    settle();
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo; // a TCP server's address is never a path
  const admit = (count: number) => {
    passes = count;
    settle();
  };
  return {
    url: `http://127.0.0.1:${port}`,
    waiting: () => waiting.size,
    release: () => admit(passes + 1),
    open: () => admit(Infinity),
    shut: () => admit(0),
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}
