// Sends that the network kept from the server: made again, in order, until each is answered or given up, and kept
// over a reload.

import type { AbstractChat, UIMessage } from 'ai';
import type { Connection } from '../network/connection.ts';
import { isNetworkFailure } from '../network/network-failure.ts';
import type { DurableSession } from '../session.ts';
import { until } from '../until.ts';

/** What of the Web's `Storage` is needed. */
export type OutboxStorage = Pick<Storage, 'getItem' | 'setItem' | 'removeItem'>;

/** What tells a send from others, and what it takes to make it again. Headers are not in it: they may be secret. */
interface Kept {
  readonly message: UIMessage;
  readonly trigger: 'submit-message' | 'regenerate-message';
  readonly messageId?: string | undefined;
  /** Its idempotency key; a new message is named by its id. */
  readonly key?: string | undefined;
  readonly body?: object | undefined;
}

/** A send as the transport is asked for it. */
export interface OutgoingSend extends Omit<Kept, 'message'> {
  readonly messages: readonly UIMessage[];
}

interface Send {
  /** It did not get through at least once. */
  failed: boolean;
  readonly gaveUp: AbortController;
  readonly answered: Promise<unknown>;
}

export interface OutboxOptions {
  readonly session: DurableSession;
  /** Milliseconds to wait before attempt 1, 2, … */
  readonly retryDelay: (attempt: number) => number;
  /** Where sends are kept over a reload; undefined where they are not. */
  readonly storage: OutboxStorage | undefined;
  /** Under which name. */
  readonly name: () => string;
}

/** How long a stop waits for the first answer to a send, in milliseconds. */
const giveUpWithinMs = 10_000;

export class Outbox {
  readonly #options: OutboxOptions;
  /** Sends without an answer, in order. */
  readonly #sends = new Set<Send>();
  /** The names of sends that an earlier page has left. */
  readonly #left = new Set<string>();
  #isRestored = false;

  constructor(options: OutboxOptions) {
    this.#options = options;
  }

  /** Whether every send has its answer. */
  get isEmpty(): boolean {
    return this.#sends.size === 0;
  }

  /**
   * Resolves or rejects as `attempt` does, which is called again for as long as the network fails. Rejects with an
   * `AbortError` when that is given up. Where the route is not known to be durable there is one attempt. What is no
   * send is not kept over a reload.
   */
  async deliver<T>(outgoing: OutgoingSend | undefined, attempt: () => Promise<T>): Promise<T> {
    const kept = outgoing && keptOf(outgoing);
    const isLeft = kept !== undefined && this.#left.has(nameOf(kept));
    if (!isLeft && !this.#options.session.getSnapshot().state) return attempt();
    const earlier = [...this.#sends];
    let answer = () => {};
    const answered = new Promise<void>((resolve) => (answer = resolve));
    const send: Send = { failed: isLeft, answered, gaveUp: new AbortController() };
    const givenUp = abortOf(send.gaveUp.signal);
    const unlessGivenUp = <R>(wait: Promise<R>) => Promise.race([wait, givenUp]);
    const turn = () => unlessGivenUp(Promise.all(earlier.map((before) => before.answered)));
    this.#sends.add(send);
    if (kept) this.#keep(kept);
    const wasKept = kept && this.#has(kept);
    try {
      if (earlier.some(({ failed }) => failed)) await turn();
      for (let failures = 1; ; failures++) {
        try {
          // The first attempt may have a run to be stopped: its answer is waited for.
          return await unlessGivenUp(attempt());
        } catch (error) {
          if (!isNetworkFailure(error)) throw error;
        }
        send.failed = true;
        await unlessGivenUp(this.#pause(failures));
        await turn();
        // Somebody who came back to the chat has given it up, or has had its answer.
        if (wasKept && !this.#has(kept)) send.gaveUp.abort();
        send.gaveUp.signal.throwIfAborted();
      }
    } finally {
      this.#sends.delete(send);
      if (kept) this.#forget(kept);
      answer();
    }
  }

  /** Ends the sends that wait for the network; false when none did. */
  giveUp(): boolean {
    const sends = [...this.#sends];
    for (const { failed, gaveUp } of sends) {
      // A first attempt may have a run to be stopped: its answer is waited for, but not for ever.
      if (failed) gaveUp.abort();
      else setTimeout(() => gaveUp.abort(), giveUpWithinMs);
    }
    return sends.some(({ failed }) => failed);
  }

  /** Makes the sends again that an earlier page has left without an answer; once. */
  async restore<M extends UIMessage>(chat: AbstractChat<M>): Promise<void> {
    if (this.#isRestored) return;
    this.#isRestored = true;
    const { session } = this.#options;
    for (const kept of this.#read()) {
      const { message, trigger, messageId, key, body } = kept;
      const isNew = trigger === 'submit-message' && messageId === undefined;
      // A new message is shown as waiting even while there is no telling what the log has.
      await until(
        session,
        ({ state, connection }) => state !== undefined || (isNew && !connection.startsWith('connect')),
      );
      if (isNew && session.getSnapshot().state?.byId.has(message.id)) {
        this.#forget(kept);
        continue;
      }
      this.#left.add(nameOf(kept));
      const options = {
        ...(body && { body }),
        ...(key !== undefined && { headers: { 'idempotency-key': key } }),
        ...(messageId !== undefined && { messageId }),
      };
      const made =
        trigger === 'regenerate-message'
          ? chat.regenerate(options)
          : // The app's own message type, as this chat has sent it before.
            chat.sendMessage({ ...(message as M), ...(messageId !== undefined && { messageId }) }, options);
      // The chat itself tells of a refusal; what it cannot send, it does not have any more.
      made.catch(() => this.#forget(kept));
    }
  }

  /** Until attempt `failures + 1` is due: when the time is up, or the network is back. */
  async #pause(failures: number): Promise<void> {
    const { session, retryDelay } = this.#options;
    let before: Connection = session.getSnapshot().connection;
    await until(
      session,
      ({ connection }, isDue) => {
        const isBack = connection !== before && (before === 'offline' || connection === 'connected');
        before = connection;
        return isBack || (connection !== 'offline' && isDue);
      },
      { ms: retryDelay(failures) },
    );
  }

  #keep(kept: Kept): void {
    const name = nameOf(kept);
    this.#write((list) =>
      list.some((one) => nameOf(one) === name)
        ? list.map((one) => (nameOf(one) === name ? kept : one))
        : [...list, kept],
    );
  }

  #has(kept: Kept): boolean {
    return this.#read().some((one) => nameOf(one) === nameOf(kept));
  }

  #forget(kept: Kept): void {
    this.#write((list) => list.filter((one) => nameOf(one) !== nameOf(kept)));
  }

  #read(): Kept[] {
    try {
      const list: unknown = JSON.parse(this.#options.storage?.getItem(this.#options.name()) ?? '[]');
      // Anybody may write there.
      return Array.isArray(list) ? list.filter(isKept) : [];
    } catch {
      return [];
    }
  }

  #write(change: (list: Kept[]) => Kept[]): void {
    const list = change(this.#read());
    const { storage, name } = this.#options;
    try {
      if (list.length === 0) storage?.removeItem(name());
      else storage?.setItem(name(), JSON.stringify(list));
    } catch {
      // It is full, or closed to us: the send is retried all the same, as long as the page lives.
    }
  }
}

function isKept(entry: unknown): entry is Kept {
  if (!isObject(entry)) return false;
  const { message, trigger, messageId, key, body } = entry;
  const isText = (value: unknown) => typeof value === 'string';
  const isOptional = (value: unknown) => value === undefined || isText(value);
  return (
    isObject(message) &&
    message['role'] === 'user' &&
    isText(message['id']) &&
    Array.isArray(message['parts']) &&
    message['parts'].every((part: unknown) => isObject(part) && isText(part['type'])) &&
    (trigger === 'submit-message' || trigger === 'regenerate-message') &&
    isOptional(messageId) &&
    isOptional(key) &&
    (body === undefined || isObject(body))
  );
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}

/** What is kept of a send that brings a message of the user's, or asks again for its answer. */
function keptOf({ messages, trigger, messageId, key, body }: OutgoingSend): Kept | undefined {
  const message = messages.at(-1);
  return message?.role === 'user' ? { message, trigger, messageId, key, body } : undefined;
}

function nameOf({ key, message }: Kept): string {
  return key ?? message.id;
}

/** Rejects when `signal` aborts, whether or not anybody waits for that. */
function abortOf(signal: AbortSignal): Promise<never> {
  const abort = new Promise<never>((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason as DOMException)); // nobody gives another one
  });
  abort.catch(() => {});
  return abort;
}
