// A session's subscription, kept as the watch says: opened, and replaced when it has ended or is suspect.

import type { Subscription, Wake } from '../../channel/channel.ts';
import type { Cancel, Runtime } from '../../lib/runtime.ts';
import type { SessionStore } from './session-store.ts';
import { firstWatch, nextWatch, patienceMs, type WatchEvent, type WatchState } from './watchdog.ts';

export interface ListeningOptions {
  readonly runtime: Runtime;
  readonly store: SessionStore;
  readonly onWake: (wake: Wake) => void;
  /** Whether hints are due: see `patienceMs`. */
  readonly expects: () => boolean;
  /** Reads the session; resolves with whether that showed what no hint had said. */
  readonly look: () => Promise<boolean>;
}

export class Listening {
  /** Settles when the first subscription stands and the session has been read behind it, or when either has failed. */
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

  /** To be called after every change of the session: it may change whether hints are due. */
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
    // Sessions that were opened at one moment do not ask at one moment.
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
    // Only now: the one before may have brought hints until here.
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
