// Where a demo's model and its slow tool wait until a test says go. The demo asks over HTTP, each time once.
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Gate {
  readonly url: string;
  /** Lets one through: who waits, or who comes next. */
  readonly release: () => void;
  /** Lets everyone through until `shut`. */
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
    // Whoever has been stopped, or has crashed, uses no pass.
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
    release: () => admit(passes + 1),
    open: () => admit(Infinity),
    shut: () => admit(0),
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}
