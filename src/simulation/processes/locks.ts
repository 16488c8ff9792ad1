// The Web Locks of a browser, with the parts that are used: https://w3c.github.io/web-locks/

import type { Process } from '../world/process.ts';

type Callback = (lock: { readonly name: string } | null) => unknown;

interface Options {
  readonly ifAvailable?: boolean;
  readonly steal?: boolean;
  readonly signal?: AbortSignal;
}

interface Request {
  readonly process: Process;
  readonly grant: () => void;
}

interface Held {
  readonly process: Process;
  readonly lose: () => void;
}

/** The locks of one browser. */
export class Locks {
  readonly #held = new Map<string, Held>();
  readonly #queues = new Map<string, Request[]>();

  /** `navigator.locks` of a page. */
  for(process: Process): { request(name: string, ...rest: unknown[]): Promise<unknown> } {
    process.onDeath(() => {
      for (const [name, queue] of this.#queues)
        this.#queues.set(
          name,
          queue.filter((request) => request.process !== process),
        );
      for (const [name, held] of [...this.#held]) if (held.process === process) this.#release(name, held);
    });
    return {
      request: (name, ...rest) => {
        const callback = rest.at(-1) as Callback; // the last parameter of both forms
        const options = (rest.length > 1 ? rest[0] : {}) as Options;
        return new Promise((resolve, reject) => {
          // A lock is never granted synchronously.
          process.world.after(0, () =>
            process.enter(() => this.#request(process, name, options, callback, resolve, reject)),
          );
        });
      },
    };
  }

  #request(
    process: Process,
    name: string,
    { ifAvailable, steal, signal }: Options,
    callback: Callback,
    resolve: (value: unknown) => void,
    reject: (error: unknown) => void,
  ): void {
    if (signal?.aborted) return reject(signal.reason);
    const held = this.#held.get(name);
    const grant = () => this.#hold(process, name, callback, resolve, reject);
    if (steal && held) {
      this.#held.delete(name);
      process.world.after(0, () => held.process.enter(held.lose));
    }
    if (steal || !held) return grant();
    if (ifAvailable) return void Promise.resolve(callback(null)).then(resolve, reject);
    const request: Request = { process, grant };
    const queue = [...(this.#queues.get(name) ?? []), request];
    this.#queues.set(name, queue);
    signal?.addEventListener('abort', () => {
      const waiting = this.#queues.get(name) ?? [];
      if (!waiting.includes(request)) return;
      this.#queues.set(
        name,
        waiting.filter((one) => one !== request),
      );
      reject(signal.reason);
    });
  }

  #hold(
    process: Process,
    name: string,
    callback: Callback,
    resolve: (value: unknown) => void,
    reject: (error: unknown) => void,
  ): void {
    const held: Held = { process, lose: () => reject(new DOMException('Stolen.', 'AbortError')) };
    this.#held.set(name, held);
    process.world.trace(() => `${process.name} has the lock "${name}"`);
    const use = async () => callback({ name });
    use()
      .then(resolve, reject)
      .finally(() => this.#release(name, held));
  }

  #release(name: string, held: Held): void {
    if (this.#held.get(name) !== held) return;
    this.#held.delete(name);
    const [next, ...rest] = this.#queues.get(name) ?? [];
    this.#queues.set(name, rest);
    if (!next) return;
    // Nobody else gets it in between.
    this.#held.set(name, { process: next.process, lose: () => {} });
    next.process.world.after(0, () => {
      if (next.process.isDead) this.#held.delete(name);
      else next.process.enter(next.grant);
    });
  }
}
