// The simulated world of one schedule: its clock, its events in their order, its randomness, and its trace.

import { createRandom, type Random } from '../../test/fixtures/random.fixture.ts';
import { Events } from './events.ts';
import { turn } from './turn.ts';

/** Removes an event that has not run. */
export type Cancel = () => void;

/** When a world begins, in milliseconds since 1970. */
const beginning = 1_700_000_000_000;

/** One world. */
export class World {
  readonly random: Random;
  /** The lines of the trace; undefined if nobody reads it. */
  readonly lines: string[] | undefined;
  /** What responds at the hosts of the store's addresses: shared packages have one `fetch` for all processes. */
  readonly hosts: Map<string, typeof fetch> = new Map<string, typeof fetch>();
  /** How many events have run. */
  count: number = 0;
  /** A number that depends on every event and its time: two runs of one seed have the same. */
  digest: number = 0;
  #now = 0;
  readonly #events = new Events();

  constructor(seed: number, isTraced: boolean) {
    this.random = createRandom(seed);
    this.lines = isTraced ? [] : undefined;
  }

  /** Milliseconds since the world began. */
  get elapsed(): number {
    return this.#now;
  }

  /** Whole milliseconds since 1970. */
  now(): number {
    return beginning + Math.floor(this.#now);
  }

  /** Runs an event after `ms`, and after all events that were scheduled for that moment before. */
  after(ms: number, run: () => void): Cancel {
    return this.#events.add(this.#now + Math.max(0, ms), run);
  }

  /** Writes a line into the trace, if there is one. */
  trace(line: () => string): void {
    this.lines?.push(`${String(Math.round(this.#now)).padStart(7)}  ${line()}`);
  }

  /** Runs events until `isOver` holds before an event, or for `ms`. Everything that an event sets off has run before the next. */
  async run(ms: number, isOver: () => boolean = () => false): Promise<void> {
    const end = this.#now + ms;
    await turn();
    while (!isOver()) {
      const event = this.#events.take(end);
      if (!event) break;
      this.#now = event.at;
      this.count++;
      this.digest = (Math.imul(this.digest, 31) + Math.round(event.at * 8) + event.sequence) | 0;
      event.run();
      await turn();
    }
    if (!isOver()) this.#now = Math.max(this.#now, end);
  }

  /** Runs events until a promise has settled, for at most `ms`. Undefined: it has not. */
  async settle<T>(promise: Promise<T>, ms: number): Promise<{ value: T } | { error: unknown } | undefined> {
    let result: { value: T } | { error: unknown } | undefined;
    promise.then(
      (value) => (result = { value }),
      (error: unknown) => (result = { error }),
    );
    await this.run(ms, () => result !== undefined);
    return result;
  }
}
