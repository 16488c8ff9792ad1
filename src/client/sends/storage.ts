// The storage over a reload: sends without a response, refused sends, and waiting stops.

import type { UIMessage } from 'ai';
import { DurableChatError } from '../../protocol/errors.ts';
import type { Changes } from './client-state.ts';

/** The part of the Web's `Storage` that is used. */
export type OutboxStorage = Pick<Storage, 'getItem' | 'setItem' | 'removeItem'>;

/** The data that repeats a send. It has no headers, which can be secret. */
export interface KeptSend {
  readonly message: UIMessage;
  readonly trigger: 'submit-message' | 'regenerate-message';
  readonly messageId?: string | undefined;
  /** Its idempotency key. A new message is identified by its id. */
  readonly key?: string | undefined;
  readonly body?: object | undefined;
  /** What the app changed with `setMessages` before the send. */
  readonly changes?: Changes | undefined;
  /** Present once it was refused. */
  readonly refused?: Refusal;
}

interface Refusal {
  readonly message: string;
  /** The code and status of a `DurableChatError`. */
  readonly code?: string | undefined;
  readonly status?: number | undefined;
  /** The id of the message before the send's message. */
  readonly afterMessageId?: string | undefined;
}

interface KeptStop {
  /** The id of a run, or of the message of a send without a response. */
  readonly stop: string;
}

type Kept = KeptSend | KeptStop;

/** One session's sends and stops in the app's storage. A storage that fails keeps nothing. */
export class SendStorage {
  readonly #storage: OutboxStorage | undefined;
  readonly #name: () => string;

  /** Keeps nothing if `storage` is undefined. `name` is called each time, because it can depend on options. */
  constructor(storage: OutboxStorage | undefined, name: () => string) {
    this.#storage = storage;
    this.#name = name;
  }

  get sends(): KeptSend[] {
    return this.#read().filter((kept) => 'message' in kept);
  }

  /** The ids whose stops wait: of runs, and of messages of sends without a response. */
  get stops(): string[] {
    return this.#read().flatMap((kept) => ('stop' in kept ? kept.stop : []));
  }

  /** Whether a send with this name is kept without a response. */
  isWaiting(name: string): boolean {
    return this.sends.some((kept) => nameOf(kept) === name && !kept.refused);
  }

  /** Keeps a send, and replaces one with its name. */
  keep(send: KeptSend): void {
    this.#put(send, (kept) => 'message' in kept && nameOf(kept) === nameOf(send));
  }

  keepStop(id: string): void {
    this.#put({ stop: id }, (kept) => 'stop' in kept && kept.stop === id);
  }

  /** Removes the send with this name. */
  forget(name: string): void {
    this.#write((list) => list.filter((kept) => 'stop' in kept || nameOf(kept) !== name));
  }

  /** Removes the refused send of this message. */
  forgetRefused(messageId: string): void {
    this.#write((list) =>
      list.filter((kept) => 'stop' in kept || !kept.refused || kept.message.id !== messageId),
    );
  }

  /** Removes the changes of refused sends: a later send has them, or the app has set another list. */
  forgetChanges(): void {
    this.#write((list) =>
      list.map((kept) => ('message' in kept && kept.refused ? { ...kept, changes: undefined } : kept)),
    );
  }

  forgetStop(id: string): void {
    this.#write((list) => list.filter((kept) => !('stop' in kept) || kept.stop !== id));
  }

  #put(entry: Kept, isSame: (kept: Kept) => boolean): void {
    this.#write((list) => {
      const index = list.findIndex(isSame);
      return index === -1 ? [...list, entry] : list.map((kept, at) => (at === index ? entry : kept));
    });
  }

  #read(): Kept[] {
    try {
      const list: unknown = JSON.parse(this.#storage?.getItem(this.#name()) ?? '[]');
      // Other code of the page can write there.
      return Array.isArray(list) ? list.filter(isKept) : [];
    } catch {
      return [];
    }
  }

  #write(change: (list: Kept[]) => Kept[]): void {
    const before = this.#read();
    const list = change(before);
    if (list.length === 0 && before.length === 0) return;
    try {
      if (list.length === 0) this.#storage?.removeItem(this.#name());
      else this.#storage?.setItem(this.#name(), JSON.stringify(list));
    } catch {
      // The storage is full or not allowed: sends are retried only while the page lives.
    }
  }
}

/** The name under which a send is kept. */
export function nameOf({ key, message }: Pick<KeptSend, 'key' | 'message'>): string {
  return key ?? message.id;
}

/** A refusal for the storage. */
export function refusalOf(error: Error, afterMessageId: string | undefined): Refusal {
  const { code, status } = error instanceof DurableChatError ? error : {};
  return { message: error.message, code, status, afterMessageId };
}

/** The error of a stored refusal. */
export function errorOf({ message, code, status = 0 }: Refusal): Error {
  return DurableChatError.parse(status, JSON.stringify({ error: { code, message } })) ?? new Error(message);
}

/** Whether the page can use it. Other code of the page, or another build, can write there. The server validates the rest. */
function isKept(entry: unknown): entry is Kept {
  const { stop, message, trigger, changes, key = '_' } = fieldsOf(entry);
  const { removed, edited } = fieldsOf(changes ?? { removed: [], edited: [] });
  return (
    typeof stop === 'string' ||
    ((trigger === 'submit-message' || trigger === 'regenerate-message') &&
      isUserMessage(message) &&
      // A key that is no header could never be sent.
      typeof key === 'string' &&
      /^[\w-]{1,128}$/.test(key) &&
      Array.isArray(removed) &&
      Array.isArray(edited) &&
      edited.every(isUserMessage))
  );
}

function isUserMessage(value: unknown): boolean {
  const { id, role, parts } = fieldsOf(value);
  return (
    role === 'user' &&
    typeof id === 'string' &&
    Array.isArray(parts) &&
    parts.every((part) => typeof fieldsOf(part)['type'] === 'string')
  );
}

/** The fields of an object. Any other value has none. */
function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  return Object(value) as Readonly<Record<string, unknown>>;
}
