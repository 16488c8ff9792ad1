// What passes the network. G1: the chunks of each connection are those that the handler emitted, without a gap, and a
// snapshot has their text. G7: no viewer is sent a chunk that the store does not have. Liveness: each request has its
// response in time.

import type { UIMessageChunk } from 'ai';
import { keysOf } from '../../channel/upstash/keys.ts';
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
  readonly decoder: TextDecoder;
  /** The beginning of an event whose end was not sent yet. */
  rest: string;
}

/**
 * How long the server may take to respond, in milliseconds, whatever the store does: as often as a request of a route asks
 * the store, each time with the timeout of a request (10 s) and its retries (3 s).
 */
const answerWithinMs = 60_000;

/** The checks of what passes the network. */
export class Wire implements Observer {
  readonly #evidence: Evidence;
  readonly #redis: RedisModel;
  readonly #seen = new Map<Exchange, Seen>();

  constructor(evidence: Evidence, redis: RedisModel) {
    this.#evidence = evidence;
    this.#redis = redis;
  }

  arrived(exchange: Exchange): void {
    const { elapsed } = this.#evidence.world;
    const freezes = exchange.host?.freezes ?? 0;
    this.#seen.set(exchange, {
      ...{ arrivedAt: elapsed, freezes, isAnswered: false },
      ...{ next: new Map<string, number>(), decoder: new TextDecoder(), rest: '' },
    });
  }

  answered(exchange: Exchange): void {
    this.#demandInTime(exchange);
    const seen = this.#seen.get(exchange);
    if (seen) seen.isAnswered = true;
  }

  sent(exchange: Exchange, bytes: Uint8Array): void {
    const seen = this.#seen.get(exchange);
    if (exchange.method !== 'GET' || !seen) return;
    const lines = (seen.rest + seen.decoder.decode(bytes, { stream: true })).split('\n');
    seen.rest = lines.pop()!; // a split has a last part
    for (const line of lines) {
      if (!line.startsWith('data:')) continue;
      const frame = JSON.parse(line.slice('data:'.length)) as WireFrame; // of our server
      if (frame.type === 'chunks') this.#chunks(exchange, frame);
      else if (frame.type === 'snapshot') this.#snapshot(exchange, frame);
    }
  }

  closed(exchange: Exchange): void {
    this.#demandInTime(exchange);
    this.#seen.delete(exchange);
  }

  violation(guarantee: string, what: string): void {
    this.#evidence.violation(guarantee, what);
  }

  #demandInTime(exchange: Exchange): void {
    const { method, url, id, host } = exchange;
    const seen = this.#seen.get(exchange);
    // A process that was frozen in between had no time.
    if (!seen || seen.isAnswered || !host || host.isDead || host.isFrozen || host.freezes !== seen.freezes)
      return;
    const ms = this.#evidence.world.elapsed - seen.arrivedAt;
    this.#evidence.took(`${method} ${url.searchParams.get('durable') ?? ''}`, ms);
    this.#evidence.demand(
      ms <= answerWithinMs,
      'liveness',
      () => `${method} #${id} has no response after ${Math.round(ms)} ms`,
    );
  }

  #chunks(exchange: Exchange, frame: WireFrame & { type: 'chunks' }): void {
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

  #snapshot(exchange: Exchange, frame: WireFrame & { type: 'snapshot' }): void {
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

  /** A run's stream has the number of its chunks as the id of its last entry. */
  #demandStored({ url }: Exchange, frame: WireFrame, runId: string, count: number, where: string): void {
    const sessionId = frame.sessionId ?? url.searchParams.get('id') ?? '';
    const key = keysOf('dc', sessionId).run(runId);
    const last = this.#redis.execute(['XREVRANGE', key, '+', '-', 'COUNT', '1']) as [[string, unknown]?];
    // A run that was accepted and has emitted nothing has no stream.
    const stored = last[0] ? Number(last[0][0].split('-')[0]) : 0;
    if (stored === 0 && this.#evidence.lost.has(sessionId)) return;
    if (count > 0) this.#evidence.framesChecked++;
    this.#evidence.demand(stored >= count, 'G7', () => `${where}: the store has ${stored}`);
  }
}

function isEqual(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
