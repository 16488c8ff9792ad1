// Requests and responses as plain objects with the parts that the library and the SDK use. Node's own take ten times as long
// to make, and hold what they refer to until a full garbage collection.

type Body = string | ReadableStream<Uint8Array> | null;

interface Given {
  readonly body?: Body;
  readonly method?: string;
  readonly headers?: HeadersInit;
  readonly signal?: AbortSignal;
  readonly status?: number;
  readonly statusText?: string;
}

class Message {
  readonly headers: Headers;
  #body: Body;
  #isUsed = false;

  constructor(body: Body, headers: HeadersInit | undefined) {
    this.#body = body;
    this.headers = new Headers(headers);
  }

  get bodyUsed(): boolean {
    return this.#isUsed;
  }

  get body(): ReadableStream<Uint8Array> | null {
    if (typeof this.#body !== 'string') return this.#body;
    const bytes = new TextEncoder().encode(this.#body);
    this.#body = new ReadableStream<Uint8Array>({
      start(controller) {
        if (bytes.length > 0) controller.enqueue(bytes);
        controller.close();
      },
    });
    return this.#body;
  }

  async text(): Promise<string> {
    if (this.#isUsed) throw new TypeError('Body is unusable: Body has already been read');
    this.#isUsed = true;
    if (this.#body === null || typeof this.#body === 'string') return this.#body ?? '';
    const decoder = new TextDecoder();
    let text = '';
    for await (const bytes of this.#body) text += decoder.decode(bytes, { stream: true });
    return text + decoder.decode();
  }

  async json(): Promise<unknown> {
    return JSON.parse(await this.text());
  }

  /** Only for a body that is text or nothing, or that is about to be read whole. */
  protected copied(): Body {
    if (this.#body === null || typeof this.#body === 'string') return this.#body;
    const [one, other] = this.#body.tee();
    this.#body = one;
    return other;
  }
}

/** The global `Request`. */
export class SimulatedRequest extends Message {
  readonly url: string;
  readonly method: string;
  readonly signal: AbortSignal;

  constructor(input: string | URL | SimulatedRequest, init: Given = {}) {
    const from = input instanceof SimulatedRequest ? input : undefined;
    super(init.body ?? from?.copied() ?? null, init.headers ?? from?.headers);
    this.url = typeof input === 'string' ? input : input instanceof URL ? input.href : input.url;
    this.method = init.method ?? from?.method ?? 'GET';
    this.signal = init.signal ?? from?.signal ?? new AbortController().signal;
  }

  clone(): SimulatedRequest {
    return new SimulatedRequest(this);
  }
}

/** The global `Response`. */
export class SimulatedResponse extends Message {
  readonly status: number;
  readonly statusText: string;

  constructor(body: Body = null, { status = 200, statusText = '', headers }: Given = {}) {
    super(body, headers);
    this.status = status;
    this.statusText = statusText;
    if (typeof body === 'string' && !this.headers.has('content-type'))
      this.headers.set('content-type', 'text/plain;charset=UTF-8');
  }

  get ok(): boolean {
    return this.status >= 200 && this.status < 300;
  }

  clone(): SimulatedResponse {
    return new SimulatedResponse(this.copied(), this);
  }

  static json(body: unknown, init: Given = {}): SimulatedResponse {
    const headers = new Headers(init.headers);
    headers.set('content-type', 'application/json');
    return new SimulatedResponse(JSON.stringify(body), { ...init, headers });
  }
}
