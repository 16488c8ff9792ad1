// One request of a page and its response, as bytes that can come late, in pieces, or not at all.

import type { Process } from '../world/process.ts';
import type { World } from '../world/world.ts';
import type { Exchange, Observer } from './observer.ts';
import type { Fate } from './weather.ts';

/** What responds to requests: a server instance. */
export interface Host {
  readonly process: Process;
  respond(request: Request): Promise<Response>;
}

/** What a page asks for. */
export interface Asked {
  readonly url: URL;
  readonly method: string;
  readonly init: RequestInit;
}

/** After this time the two sides of a half-open connection notice, as with TCP keep-alive, in milliseconds. */
const probeMs = 60_000;

/** The most bytes under way to a page that does not read. */
const windowBytes = 65_536;

/** One connection. */
export class Connection implements Exchange {
  readonly id: number;
  readonly url: URL;
  readonly method: string;
  readonly page: Process;
  readonly #init: RequestInit;
  readonly #world: World;
  readonly #fate: Fate;
  readonly #observer: Observer;
  readonly #onClose: () => void;
  readonly #left = new AbortController();
  #state: 'open' | 'mute' | 'closed' = 'open';
  #host: Host | undefined;
  #reader: ReadableStreamDefaultReader<Uint8Array> | undefined;
  /** How the page's promise or body ends with an error. */
  #fail: (error: unknown) => void = () => {};
  /** When the last piece arrives: pieces of one connection keep their order. */
  #lastAt = 0;
  #unread = 0;
  #onRead: () => void = () => {};
  #sent = 0;
  /** The page has aborted it, or needs no more of it. */
  #isLeft = false;

  constructor(
    id: number,
    asked: Asked,
    page: Process,
    world: World,
    { fate, observer, onClose }: { fate: Fate; observer: Observer; onClose: () => void },
  ) {
    this.id = id;
    this.url = asked.url;
    this.method = asked.method;
    this.#init = asked.init;
    this.page = page;
    this.#world = world;
    this.#fate = fate;
    this.#observer = observer;
    this.#onClose = onClose;
  }

  get host(): Process | undefined {
    return this.#host?.process;
  }

  /** Sends the request. `find` chooses the host when it arrives; undefined if none listens. */
  open(find: () => Host | undefined): Promise<Response> {
    const { signal } = this.#init;
    return new Promise((resolve, reject) => {
      this.#fail = reject;
      if (signal?.aborted) return this.#leave(signal.reason);
      signal?.addEventListener('abort', () => this.#leave(signal.reason));
      this.#trace('→');
      const { request } = this.#fate;
      if (request === 'reset') return this.#later(() => this.reset());
      this.#later(() => {
        if (request === 'bad gateway') return this.#gateway(resolve, 502);
        if (request === 'lost') return this.mute();
        const host = find();
        if (!host) return this.#gateway(resolve, 503);
        this.#host = host;
        this.#observer.arrived(this);
        host.process.onDeath(() => this.#hostDied());
        host.process.enter(() => void this.#serve(host, resolve));
      });
    });
  }

  /** The connection breaks, and both sides see it. */
  reset(): void {
    if (this.#state === 'closed') return;
    this.#trace('× reset');
    this.#close();
    this.page.enter(
      () => !this.#isLeft && this.#fail(new TypeError(this.#host ? 'network error' : 'fetch failed')),
    );
  }

  /** Nothing passes any more, and nobody sees it until a probe of the connection fails. */
  mute(): void {
    if (this.#state !== 'open') return;
    this.#trace('… half open');
    this.#state = 'mute';
    this.#world.after(probeMs, () => this.reset());
  }

  async #serve(host: Host, resolve: (response: Response) => void): Promise<void> {
    const { url, method } = this;
    const { signal } = this.#left;
    const { headers, body } = this.#init;
    const answer = host.respond(
      new Request(url, { method, signal, ...(headers && { headers }), ...(body && { body }) }),
    );
    let response: Response;
    try {
      response = await answer;
    } catch (error) {
      this.#observer.violation('no exception', `${method} ${url.pathname} threw ${String(error)}`);
      return this.reset();
    }
    this.#observer.answered(this);
    if (this.#state === 'closed') return void response.body?.cancel().catch(() => {});
    if (this.#fate.response === 'reset') return this.reset();
    if (this.#fate.response === 'lost') this.mute();
    if (response.body) this.#reader = response.body.getReader();
    this.#later(() => {
      this.#trace(`← ${response.status}`);
      this.page.enter(() => !this.#isLeft && resolve(this.#responseOf(response)));
    });
    void this.#carry();
  }

  #responseOf({ status, headers }: Response): Response {
    const reader = this.#reader;
    if (!reader) {
      this.#close();
      return new Response(null, { status, headers });
    }
    const body = new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          this.#deliver = (bytes) => controller.enqueue(bytes);
          this.#fail = (error) => controller.error(error);
          this.#end = () => controller.close();
        },
        pull: () => {
          this.#unread = 0;
          this.#onRead();
        },
        cancel: () => this.#leave(undefined),
      },
      { highWaterMark: 1 },
    );
    return new Response(body, { status, headers });
  }

  #deliver: (bytes: Uint8Array) => void = () => {};
  #end: () => void = () => {};

  /** Carries the body in pieces. */
  async #carry(): Promise<void> {
    const reader = this.#reader;
    if (!reader) return;
    try {
      for (;;) {
        const { done, value } = await reader.read();
        if (this.#state === 'closed') return;
        if (done) return this.#later(() => this.#finish());
        this.#piece(value);
        while (this.#unread > windowBytes) await new Promise<void>((resolve) => (this.#onRead = resolve));
      }
    } catch {
      this.#later(() => this.reset());
    }
  }

  #piece(bytes: Uint8Array): void {
    this.#observer.sent(this, bytes);
    const { cutAt } = this.#fate;
    const left = cutAt === undefined ? Infinity : cutAt - this.#sent;
    this.#sent += bytes.length;
    this.#unread += bytes.length;
    for (const part of partsOf(bytes.subarray(0, Math.max(0, left)), this.#world.random.chance(0.1)))
      this.#later(() => this.page.enter(() => !this.#isLeft && this.#deliver(part)));
    if (bytes.length < left) return;
    if (this.#fate.isSilent) this.#later(() => this.mute());
    else this.#later(() => this.reset());
  }

  #finish(): void {
    if (this.#state !== 'open') return;
    this.#trace('← end');
    this.#close();
    this.page.enter(() => !this.#isLeft && this.#end());
  }

  /** The page leaves: it has its error at once, and the host sees it later. */
  #leave(reason: unknown): void {
    if (this.#isLeft) return;
    this.#isLeft = true;
    this.#fail(reason);
    if (this.#state === 'closed') return;
    this.#trace('→ left');
    this.#close();
  }

  #gateway(resolve: (response: Response) => void, status: number): void {
    this.#later(() => {
      if (this.#state !== 'open') return;
      this.#trace(`← ${status} of the proxy`);
      this.#close();
      this.page.enter(() => resolve(new Response('<html>Bad Gateway</html>', { status })));
    });
  }

  #hostDied(): void {
    if (this.#state !== 'open') return;
    if (this.#fate.isSilent) this.mute();
    else this.#later(() => this.reset());
  }

  #close(): void {
    const wasMute = this.#state === 'mute';
    this.#state = 'closed';
    this.#onRead();
    this.#observer.closed(this);
    this.#onClose();
    const process = this.#host?.process;
    if (!process) return;
    // The host of a half-open connection sees nothing of its end until its own probe fails.
    this.#world.after(wasMute ? probeMs : this.#fate.latency(), () =>
      process.enter(() => {
        this.#left.abort();
        void this.#reader?.cancel().catch(() => {});
      }),
    );
  }

  /** In the order of the calls, unless nothing passes any more. */
  #later(run: () => void): void {
    const { elapsed } = this.#world;
    this.#lastAt = Math.max(this.#lastAt, elapsed + this.#fate.latency());
    this.#world.after(this.#lastAt - elapsed, () => this.#state === 'open' && run());
  }

  #trace(what: string): void {
    this.#world.trace(() => {
      const { method, url } = this;
      const init = this.#init;
      const host = this.#host ? ` ${this.#host.process.name}` : '';
      const body = what === '→' && typeof init.body === 'string' ? ` ${init.body}` : '';
      return `${this.page.name} #${this.id} ${method} ${what}${host} ${what === '→' ? url.search : ''}${body}`;
    });
  }
}

/** The piece whole, or cut in two. */
function partsOf(bytes: Uint8Array, isCut: boolean): readonly Uint8Array[] {
  const middle = bytes.length >> 1;
  return isCut && middle > 0 ? [bytes.subarray(0, middle), bytes.subarray(middle)] : [bytes];
}
