// Keeps a session's subscription, as the watchdog decides: opens it, and replaces it after its end or when it is suspect.

import type { Subscription, Wake } from '../../channel/channel.ts';
import type { Cancel, Runtime } from '../../lib/runtime.ts';
import type { SessionStore } from './session-store.ts';
import { firstWatch, nextWatch, patienceMs, type WatchEvent, type WatchState } from './watchdog.ts';

/** What the subscription reads and calls. */
export interface ListeningOptions {
  readonly runtime: Runtime;
  readonly store: SessionStore;
  readonly onWake: (wake: Wake) => void;
  /** Whether wake-ups are expected, see `patienceMs`. */
  readonly expects: () => boolean;
  /** Reads the session. Resolves with whether the read showed a change without a wake-up. */
  readonly look: () => Promise<boolean>;
}

/** The subscription of a session, from now until `close`. */
export class Listening {
  /** Settles once the first subscription is acknowledged and the session has been read after it, or one of them failed. */
  readonly begun: Promise<void>;

  readonly #options: ListeningOptions;
  #begin: () => void = () => {};
  #state: WatchState = firstWatch;
  #expects = false;
  #subscription: Subscription | undefined;
  #cancel: Cancel = () => {};

  constructor(options: ListeningOptions) {
    this.#options = options;
    this.begun = new Promise((resolve) => (this.#begin = resolve));
    void this.#connect();
    this.#wait();
  }

  /** Call it after every change of the session, which can change whether wake-ups are expected. */
  changed(): void {
    if (this.#options.expects() !== this.#expects) this.#wait();
  }

  close(): void {
    this.#dispatch({ type: 'close' });
  }

  #dispatch(event: WatchEvent): void {
    const before = this.#state;
    const [state, ...effects] = nextWatch(before, event);
    this.#state = state;
    if (state !== before || effects.length > 0) this.#wait();
    for (const effect of effects) {
      if (effect === 'connect') void this.#connect();
      else if (effect === 'look') void this.#look();
      else this.#subscription?.close();
    }
  }

  #wait(): void {
    const { runtime, expects } = this.#options;
    this.#cancel();
    this.#expects = expects();
    const patience = patienceMs(this.#state, this.#expects);
    if (patience === undefined) return;
    // Random, so that sessions that were opened at the same moment do not read at the same moment.
    const ms = patience * (1 - runtime.random() / 10);
    const onSilence = () => this.#dispatch({ type: 'silence', ms });
    this.#cancel = runtime.schedule(onSilence, ms, { background: true });
  }

  async #connect(): Promise<void> {
    const { store, onWake } = this.#options;
    let current: Subscription | undefined;
    let hasEnded = false;
    const onEnd = () => {
      hasEnded = true;
      if (current && current === this.#subscription) this.#dispatch({ type: 'ended' });
    };
    const onHint = (wake: Wake) => {
      if (this.#state.type === 'closed') return;
      this.#dispatch({ type: 'heard' });
      onWake(wake);
    };
    try {
      current = await store.subscribe(onHint, onEnd);
    } catch {
      return this.#dispatch({ type: 'unsubscribed' });
    }
    if (this.#state.type === 'closed') return current.close();
    // Only now, because the previous subscription received wake-ups until here.
    this.#subscription?.close();
    this.#subscription = current;
    this.#dispatch({ type: 'subscribed' });
    if (hasEnded) this.#dispatch({ type: 'ended' });
  }

  async #look(): Promise<void> {
    const event = await this.#options.look().then(
      (missed): WatchEvent => ({ type: 'looked', missed }),
      (): WatchEvent => ({ type: 'unread' }),
    );
    this.#begin();
    this.#dispatch(event);
  }
}
