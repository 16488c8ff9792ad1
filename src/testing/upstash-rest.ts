// Upstash's REST over any Redis: the response to each request, with the refusals of the hosted service, counters and faults.
// The local server gives it a real Redis over HTTP; the simulation gives it a model of Redis without a network.

import { RespError, toJson, type RespValue } from './resp.ts';
import { repliesTo, planStep, type FaultPlan, type FaultRequest, type Step } from './upstash-faults.ts';
import { parseRequest, Refusal, type RestRequest } from './upstash-request.ts';

/** What a REST face stands before. */
export interface RestOptions {
  /** The token that clients must send. */
  readonly token: string;
  /** The replies to commands, in their order. Other commands may come between. */
  readonly send: (commands: readonly string[][]) => Promise<readonly RespValue[]>;
  /** The reply of EXEC after these commands. */
  readonly transact: (commands: readonly string[][]) => Promise<RespValue>;
  /** What happens to a request. */
  readonly planFor: (request: FaultRequest) => FaultPlan;
  readonly wait: (ms: number) => Promise<void>;
}

/** The response to a request. */
export type RestResponse =
  | { readonly kind: 'json'; readonly status: number; readonly body: unknown }
  /** A subscription: a stream of server-sent events. With `isLost`, the connection breaks once it is open. */
  | { readonly kind: 'events'; readonly command: readonly string[]; readonly isLost: boolean }
  /** The connection breaks. */
  | { readonly kind: 'broken' }
  /** It stays open without a response. */
  | { readonly kind: 'none' };

/** A REST face, with its counters. */
export interface Rest {
  /** Rejects only if `wait`, or Redis, does. */
  respond(request: RestRequest): Promise<RestResponse>;
  /** The headers of a response. */
  headersFor(type: string): Record<string, string>;
  /** The requests so far. */
  readonly requests: number;
  /** The commands so far, by name in upper case. */
  counts(): Record<string, number>;
  resetCounts(): void;
}

/** @returns The face, with its counters at zero. */
export function createRest({ token, send, transact, planFor, wait }: RestOptions): Rest {
  let counted: Record<string, number> = {};
  let requests = 0;
  let syncToken = 0;

  async function run(kind: 'command' | 'pipeline' | 'multi-exec', steps: readonly Step[]) {
    const commands = steps.flatMap((step) => step.send);
    if (kind !== 'multi-exec') return repliesTo(steps, await send(commands));
    const outcome = await transact(commands);
    if (!Array.isArray(outcome)) throw new Refusal(400, errorText(outcome));
    return repliesTo(steps, outcome);
  }

  async function respond(request: RestRequest): Promise<RestResponse> {
    const parsed = parseRequest(request, token);
    const named = parsed.commands.map(([name = '', ...args]) => [name.toUpperCase(), ...args]);
    const plan = planFor({ path: parsed.path, commands: named });
    if (plan.end?.kind === 'hang') return { kind: 'none' };
    if (plan.end?.kind === 'refuse' || plan.end?.kind === 'status') {
      if (plan.delayMs) await wait(plan.delayMs);
      if (plan.end.kind === 'refuse') return { kind: 'broken' };
      throw new Refusal(plan.end.status, `ERR injected fault: status ${plan.end.status}`);
    }
    await plan.held;
    const steps = parsed.kind === 'subscription' ? [] : parsed.commands.map((one) => planStep(one, plan));
    const refused = steps.find((step) => step.reply instanceof RespError);
    if (refused && parsed.kind === 'multi-exec') throw new Refusal(400, errorText(refused.reply));
    for (const [i, [name = '']] of named.entries()) {
      if (!(steps[i]?.reply instanceof RespError)) counted[name] = (counted[name] ?? 0) + 1;
    }
    const isLost = plan.end?.kind === 'lose-reply';
    if (parsed.kind === 'subscription') {
      if (plan.delayMs) await wait(plan.delayMs);
      return { kind: 'events', command: parsed.commands[0], isLost };
    }

    const { kind } = parsed;
    const results = await run(kind, steps);
    syncToken++;
    if (plan.againAfterMs !== undefined) {
      // Nobody waits for the second reply.
      void wait(plan.againAfterMs)
        .then(() => run(kind, steps))
        .catch(() => {});
    }
    if (plan.delayMs) await wait(plan.delayMs);
    if (isLost) return { kind: 'broken' };

    const asBase64 = request.headers['upstash-encoding'] === 'base64';
    const items = results.map((value) =>
      value instanceof RespError ? { error: value.message } : { result: toJson(value, asBase64) },
    );
    if (kind !== 'command') return { kind: 'json', status: 200, body: items };
    return { kind: 'json', status: results[0] instanceof RespError ? 400 : 200, body: items[0] };
  }

  return {
    async respond(request) {
      requests++;
      try {
        return await respond(request);
      } catch (error) {
        if (!(error instanceof Refusal)) throw error;
        return { kind: 'json', status: error.status, body: { error: error.message } };
      }
    },
    headersFor: (type) => ({
      'content-type': type,
      'cache-control': 'no-cache',
      'upstash-sync-token': String(syncToken),
    }),
    get requests() {
      return requests;
    },
    counts: () => ({ ...counted }),
    resetCounts() {
      counted = {};
      requests = 0;
    },
  };
}

/** One event of a subscription, from a push of Redis. */
export const eventOf = (push: readonly RespValue[]): string => `data: ${push.join(',')}\n\n`;

/** What a client reads of an error. */
export function errorText(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
