// The requests of Upstash's REST: the ways to write a command, a pipeline, a transaction or a subscription.

import type { IncomingMessage } from 'node:http';

/** A request of a client, as commands for Redis. */
export type UpstashRequest =
  | { kind: 'command' | 'pipeline' | 'multi-exec'; path: string; commands: string[][] }
  | { kind: 'subscription'; path: string; commands: [string[]] };

/** A request as it arrives. */
export interface RestRequest {
  readonly method?: string | undefined;
  /** The path and the query. */
  readonly url?: string | undefined;
  /** With names in lower case. */
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  /** Undefined if it is too large. */
  readonly body: string | undefined;
}

/** A response with a status other than 200, and Upstash's `{error}` as its body. */
export class Refusal extends Error {
  readonly status: number;
  constructor(status: number, message: string, options?: ErrorOptions) {
    super(message, options);
    this.status = status;
  }
}

/** A larger request is refused. */
export const MAX_REQUEST_BYTES: number = 10 * 1024 * 1024;

/**
 * Reads the body to its end, even if it is too large: a client that is still sending would not read the response.
 *
 * @returns Undefined if it is too large.
 */
export async function readBody(request: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size <= MAX_REQUEST_BYTES) chunks.push(chunk);
  }
  return size <= MAX_REQUEST_BYTES ? Buffer.concat(chunks).toString() : undefined;
}

/** Throws a `Refusal` for a request that Upstash would refuse. */
export function parseRequest(
  { method = '', url: target = '', headers, body }: RestRequest,
  token: string,
): UpstashRequest {
  const { pathname, searchParams: query } = new URL(`http://localhost${target}`);
  const { authorization } = headers;
  const given =
    typeof authorization === 'string' ? authorization.replace(/^Bearer /i, '') : query.get('_token');
  if (given !== token) throw new Refusal(401, 'Unauthorized');
  if (!['GET', 'HEAD', 'POST', 'PUT'].includes(method)) throw new Refusal(405, 'Method Not Allowed');
  if (body === undefined)
    throw new Refusal(413, `ERR max request size exceeded. Limit: ${MAX_REQUEST_BYTES} bytes`);

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
  if (hasBody && body.length > 0) command.push(body);
  for (const [name, value] of query) command.push(...(value === '' ? [name] : [name, value]));
  return { kind: 'command', path, commands: [command] };
}

function parseJson(body: string): unknown {
  return orRefuse(() => JSON.parse(body) as unknown, 'ERR failed to parse the request: not JSON');
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
