// A simulated process: a server instance or a page. It has a clock and timers of its own, and can be frozen or killed.
// Everything that reaches it from outside goes through `enter`.

import type { Runtime } from '../../lib/runtime.ts';
import { globalsOf, sha256, type Globals } from './globals.ts';
import type { World } from './world.ts';

/** One process. */
export class Process {
  readonly name: string;
  readonly world: World;
  readonly runtime: Runtime;
  readonly globals: Globals;
  /** How far its system clock is ahead, in milliseconds. */
  skewMs: number = 0;
  /** How many of its timers wait. */
  timers: number = 0;
  /** How often it was frozen. */
  freezes: number = 0;
  #state: 'running' | 'frozen' | 'dead' = 'running';
  /** What has reached it while it is frozen. */
  #waiting: (() => void)[] = [];
  readonly #deaths: (() => void)[] = [];

  constructor(name: string, world: World) {
    this.name = name;
    this.world = world;
    const source = {
      now: () => world.now() + this.skewMs,
      monotonic: () => Math.floor(world.elapsed),
      schedule: (callback: () => void, ms: number) => this.#schedule(callback, ms),
      random: world.random,
    };
    this.globals = globalsOf(source);
    this.runtime = {
      ...source,
      randomBytes: (length) => Uint8Array.from({ length }, () => Math.floor(world.random() * 256)),
      sha256: async (data) => sha256(data),
    };
  }

  get isDead(): boolean {
    return this.#state === 'dead';
  }

  get isFrozen(): boolean {
    return this.#state === 'frozen';
  }

  /** Runs what reaches the process from outside: now, when it thaws, or never. */
  enter(run: () => void): void {
    if (this.#state === 'running') run();
    else if (this.#state === 'frozen') this.#waiting.push(run);
  }

  /** Calls back when the process dies. */
  onDeath(callback: () => void): void {
    this.#deaths.push(callback);
  }

  kill(): void {
    if (this.#state === 'dead') return;
    this.#state = 'dead';
    this.#waiting = [];
    for (const callback of this.#deaths) callback();
  }

  freeze(): void {
    if (this.#state !== 'running') return;
    this.#state = 'frozen';
    this.freezes++;
  }

  thaw(): void {
    if (this.#state !== 'frozen') return;
    this.#state = 'running';
    const waiting = this.#waiting;
    this.#waiting = [];
    // Each in a turn of its own, as they came.
    for (const run of waiting) this.world.after(0, () => this.enter(run));
  }

  #schedule(callback: () => void, ms: number): () => void {
    // Such a timer never comes, see `systemRuntime`.
    if (ms >= 2 ** 31) return () => {};
    let isOver = false;
    const end = () => {
      if (!isOver) this.timers--;
      isOver = true;
      cancel();
    };
    this.timers++;
    const cancel = this.world.after(ms, () =>
      this.enter(() => {
        // It can be cancelled while the process is frozen.
        if (isOver) return;
        end();
        callback();
      }),
    );
    return end;
  }
}
