// One pub/sub subscription over Upstash's REST. It is read from the response itself where the client shows its database's
// address: the client's own `subscribe()` does not say when a stream has ended.

import type { Cancel, Runtime } from '../../lib/runtime.ts';
import { takeEvents } from '../../protocol/sse.ts';
import type { Subscription } from '../channel.ts';

const acknowledgeWithinMs = 10_000;

/** The part of the client that subscribes. */
interface Subscribable {
  subscribe<T>(channels: string[]): {
    on(event: 'subscribe' | 'error', listener: (value: unknown) => void): void;
    on(event: 'message', listener: (event: { channel: string; message: T }) => void): void;
    unsubscribe(): Promise<void>;
  };
}

/** What is subscribed to, and what is called for its values and its end. */
export interface SubscribeOptions {
  readonly runtime: Runtime;
  readonly redis: Subscribable;
  readonly channel: string;
  readonly onValue: (value: string) => void;
  readonly onEnd: () => void;
}

interface Handlers {
  /** The server has acknowledged the subscription. */
  readonly onSubscribed: () => void;
  readonly onValue: (value: string) => void;
  /** It has ended, or was never there. */
  readonly onEnd: (error: unknown) => void;
}

/** Resolves once the server has acknowledged the subscription. */
export function subscribeTo(options: SubscribeOptions): Promise<Subscription> {
  const { runtime, redis, channel, onValue, onEnd } = options;
  return new Promise((resolve, reject) => {
    let state: 'opening' | 'open' | 'over' = 'opening';
    let cancel: Cancel = () => {};
    /** Whether it was open. */
    const end = (): boolean => {
      const wasOpen = state === 'open';
      state = 'over';
      cancel();
      close();
      return wasOpen;
    };
    const fail = (error: unknown) => {
      if (state !== 'over') return end() ? onEnd() : reject(new Error('No subscription.', { cause: error }));
    };
    const endpoint = endpointOf(redis);
    const close = (endpoint ? read(endpoint, channel) : listen(redis, channel))({
      onSubscribed() {
        if (state !== 'opening') return;
        state = 'open';
        cancel();
        resolve({ close: () => void end() });
      },
      onValue: (value) => state !== 'over' && onValue(value),
      onEnd: fail,
    });
    cancel = runtime.schedule(() => fail(new Error('No acknowledgement.')), acknowledgeWithinMs);
  });
}

/** Where a client sends its requests, and how. */
interface Endpoint {
  readonly baseUrl: string;
  readonly headers: Record<string, string>;
  readonly options?: RequestInit;
}

/** Read from the client's own fields, which are not part of its types. */
function endpointOf(redis: Subscribable): Endpoint | undefined {
  const { client } = redis as unknown as { readonly client?: Partial<Endpoint> };
  return client?.baseUrl && client.headers ? (client as Endpoint) : undefined;
}

function read({ baseUrl, headers, options }: Endpoint, channel: string) {
  return ({ onSubscribed, onValue, onEnd }: Handlers): (() => void) => {
    const leaving = new AbortController();
    const stream = async () => {
      const response = await fetch(`${baseUrl}/subscribe/${channel}`, {
        ...options,
        method: 'POST',
        headers: { ...headers, accept: 'text/event-stream' },
        signal: leaving.signal,
      });
      if (!response.ok || !response.body) throw new Error('The subscription was refused.');
      const message = `message,${channel},`;
      await takeEvents(response.body, (event) => {
        if (event?.data.startsWith(message)) onValue(event.data.slice(message.length));
        else if (event?.data.startsWith('subscribe,')) onSubscribed();
      });
      throw new Error('The subscription has ended.');
    };
    stream().catch(onEnd);
    return () => leaving.abort();
  };
}

/** With the client's own means, which do not tell the end. */
function listen(redis: Subscribable, channel: string) {
  return ({ onSubscribed, onValue, onEnd }: Handlers): (() => void) => {
    const subscriber = redis.subscribe<string>([channel]);
    subscriber.on('subscribe', onSubscribed);
    subscriber.on('message', ({ message }) => onValue(message));
    subscriber.on('error', onEnd);
    // The app's own client can fail.
    return () => void subscriber.unsubscribe().catch(() => {});
  };
}
