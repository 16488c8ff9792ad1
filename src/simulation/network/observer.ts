// Who sees what passes the network: the checks.

import type { Process } from '../world/process.ts';

/** One request and its response. */
export interface Exchange {
  readonly id: number;
  readonly url: URL;
  readonly method: string;
  readonly page: Process;
}

export interface Observer {
  /** The response's head reaches the page. */
  head(exchange: Exchange, response: Response): void;
  /** The server has sent these bytes. */
  sent(exchange: Exchange, bytes: Uint8Array): void;
  /** These bytes reach the page. */
  received(exchange: Exchange, bytes: Uint8Array): void;
  /** Nothing passes any more, and nobody sees it. */
  muted(exchange: Exchange): void;
  closed(exchange: Exchange): void;
  violation(guarantee: string, what: string): void;
}
