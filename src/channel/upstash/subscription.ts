// One pub/sub subscription over Upstash's REST. The client neither reconnects nor reports the end of a stream, so the
// owner of the subscription renews it.

import type { Subscription } from '../channel.ts';

/** The part of the `@upstash/redis` client that subscribes. */
export interface Subscribable {
  subscribe<T>(channels: string[]): {
    on(event: 'subscribe' | 'error', listener: (value: unknown) => void): void;
    on(event: 'message', listener: (event: { channel: string; message: T }) => void): void;
    unsubscribe(): Promise<void>;
  };
}

const acknowledgeWithinMs = 10_000;

/** Resolves once the server has acknowledged the subscription. */
export async function subscribeTo(
  redis: Subscribable,
  channel: string,
  onValue: (value: string) => void,
): Promise<Subscription> {
  let current = await open();
  let closed = false;

  function open(): Promise<{ close(): void }> {
    return new Promise((resolve, reject) => {
      const subscriber = redis.subscribe<string>([channel]);
      const close = () => void subscriber.unsubscribe();
      const timer = setTimeout(() => fail(new Error('no acknowledgement')), acknowledgeWithinMs);
      const fail = (error: unknown) => {
        clearTimeout(timer);
        close();
        reject(error instanceof Error ? error : new Error('subscription failed'));
      };
      subscriber.on('subscribe', () => {
        clearTimeout(timer);
        resolve({ close });
      });
      subscriber.on('message', ({ message }) => onValue(message));
      subscriber.on('error', fail);
    });
  }

  return {
    async renew() {
      const next = await open();
      current.close();
      current = next;
      if (closed) current.close();
    },
    close() {
      closed = true;
      current.close();
    },
  };
}
