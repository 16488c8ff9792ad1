// Who sees what passes the network: the checks.

import type { Process } from '../world/process.ts';

/** One request and its response. */
export interface Exchange {
  readonly id: number;
  readonly url: URL;
  readonly method: string;
  readonly page: Process;
  /** The process that it has reached. */
  readonly host: Process | undefined;
}

/** Is told of what passes. */
export interface Observer {
  /** The request has reached its host. */
  arrived(exchange: Exchange): void;
  /** The host has responded. */
  answered(exchange: Exchange): void;
  /** The server has sent these bytes. */
  sent(exchange: Exchange, bytes: Uint8Array): void;
  closed(exchange: Exchange): void;
  violation(guarantee: string, what: string): void;
}
