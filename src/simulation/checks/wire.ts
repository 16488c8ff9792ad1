// What passes the network. G1: the chunks of each connection are those that the handler emitted, without a gap, and a
// snapshot has their text. G7: no viewer is sent a chunk that the store does not have. Liveness: each request has its
// response in time.

import type { UIMessageChunk } from 'ai';
import type { WireFrame } from '../../protocol/frames.ts';
import type { Exchange, Observer } from '../network/observer.ts';
import type { RedisModel } from '../store/redis.ts';
import type { Evidence } from './evidence.ts';
import { textIn } from './text.ts';

interface Seen {
  readonly arrivedAt: number;
  readonly freezes: number;
  isAnswered: boolean;
  /** Where the chunks of each run go on. */
  readonly next: Map<string, number>;
}

/**
 * How long the server may take to respond, in milliseconds, whatever the store does: as often as a request of a route asks
 * the store, each time with the timeout of a request (10 s) and its retries (3 s).
 */
const answerWithinMs = 60_000;

export class Wire implements Observer {
  readonly #evidence: Evidence;
  readonly #redis: RedisModel;
  readonly #seen = new Map<Exchange, Seen>();
  readonly #decoder = new TextDecoder();

  constructor(evidence: Evidence, redis: RedisModel) {
    this.#evidence = evidence;
    this.#redis = redis;
  }

  arrived(exchange: Exchange): void {
    const { elapsed } = this.#evidence.world;
    const freezes = exchange.host?.freezes ?? 0;
    this.#seen.set(exchange, { arrivedAt: elapsed, freezes, isAnswered: false, next: new Map() });
  }

  answered(exchange: Exchange): void {
    this.#demandInTime(exchange);
    const seen = this.#seen.get(exchange);
    if (seen) seen.isAnswered = true;
  }

  sent(exchange: Exchange, bytes: Uint8Array): void {
    if (exchange.method !== 'GET') return;
    const text = this.#decoder.decode(bytes);
    // The server writes each event as a whole.
    const [, data] = /^data: ?(.*)$/m.exec(text) ?? [];
    if (data?.startsWith('{"type":"chunks"')) this.#chunks(exchange, JSON.parse(data) as WireFrame);
    if (data?.startsWith('{"type":"snapshot"')) this.#snapshot(exchange, JSON.parse(data) as WireFrame);
  }

  closed(exchange: Exchange): void {
    this.#demandInTime(exchange);
    this.#seen.delete(exchange);
  }

  violation(guarantee: string, what: string): void {
    this.#evidence.violation(guarantee, what);
  }

  #demandInTime({ method, url, id, host }: Exchange): void {
    const seen = [...this.#seen].find(([one]) => one.id === id)?.[1];
    // A process that was frozen in between had no time.
    if (!seen || seen.isAnswered || !host || host.isDead || host.isFrozen || host.freezes !== seen.freezes)
      return;
    const ms = this.#evidence.world.elapsed - seen.arrivedAt;
    this.#evidence.slowest(`${method} ${url.searchParams.get('durable') ?? ''}`, ms);
    this.#evidence.demand(
      ms <= answerWithinMs,
      'liveness',
      () => `${method} #${id} has no response after ${Math.round(ms)} ms`,
    );
  }

  #chunks(exchange: Exchange, frame: WireFrame): void {
    if (frame.type !== 'chunks') return;
    const { runId, from, chunks } = frame;
    const said = this.#saidIn(runId);
    const next = this.#seen.get(exchange)?.next;
    const expected = next?.get(runId);
    const where = `GET #${exchange.id}, chunks ${from} to ${from + chunks.length - 1} of run ${runId}`;
    this.#evidence.demand(
      expected === undefined || expected === from,
      'G1',
      () => `${where}: ${expected} is next`,
    );
    next?.set(runId, from + chunks.length);
    for (const [index, chunk] of chunks.entries()) {
      const original = said?.[from + index];
      // What the server says for a handler that throws.
      if (chunk.type === 'error' && said?.length === from + index) continue;
      const isSame = original?.type === 'start' ? chunk.type === 'start' : isEqual(original, chunk);
      this.#evidence.demand(
        isSame,
        'G1',
        () => `${where}: ${JSON.stringify(chunk)} was emitted as ${JSON.stringify(original)}`,
      );
    }
    this.#demandStored(exchange, frame, runId, from + chunks.length, where);
  }

  #snapshot(exchange: Exchange, frame: WireFrame): void {
    if (frame.type !== 'snapshot') return;
    const next = this.#seen.get(exchange)?.next;
    next?.clear();
    for (const { runId, count, chunks } of frame.runs) {
      const where = `GET #${exchange.id}, snapshot of run ${runId} with ${count} chunks`;
      // A GET that a POST has named gets none of its chunks.
      if (count > 0) next?.set(runId, count);
      const said = textIn(this.#saidIn(runId)?.slice(0, count) ?? []);
      const text = textIn(chunks);
      this.#evidence.demand(said === text, 'G1', () => `${where}: "${text}" was emitted as "${said}"`);
      this.#demandStored(exchange, frame, runId, count, where);
    }
  }

  #saidIn(runId: string): readonly UIMessageChunk[] | undefined {
    return this.#evidence.calls.get(runId)?.[0]?.said;
  }

  /** A run's stream has the number of its chunks as the id of its last entry. One that is gone has nothing to compare. */
  #demandStored({ url }: Exchange, frame: WireFrame, runId: string, count: number, where: string): void {
    const sessionId = frame.sessionId ?? url.searchParams.get('id') ?? '';
    const key = `dc:{${encodeURIComponent(sessionId).replaceAll('%', '=')}}:run:${runId}`;
    const last = this.#redis.execute(['XREVRANGE', key, '+', '-', 'COUNT', '1']) as [[string, unknown]?];
    const stored = last[0] ? Number(last[0][0].split('-')[0]) : Infinity;
    this.#evidence.demand(stored >= count, 'G7', () => `${where}: the store has ${stored}`);
  }
}

function isEqual(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
