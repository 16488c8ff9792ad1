// A page of the tier `core`: a session and its transport, without a Chat, in a process of its own.

import type { UIMessage, UIMessageChunk } from 'ai';
import { messagesOf } from '../../protocol/session-state.ts';
import type { DurableSession, StopReceipt } from '../../client/session.ts';
import type { Evidence } from '../checks/evidence.ts';
import type { Network } from '../network/network.ts';
import type { Bundle } from '../world/bundle.ts';
import type { Browser, Storage, Tab } from './browser.ts';
import { Process } from '../world/process.ts';
import type { World } from '../world/world.ts';

/** What the code of a page exports. */
export type PageCode = typeof import('./page-code.ts');

/** What a page is made of. */
export interface PageOptions {
  readonly name: string;
  readonly sessionId: string;
  readonly world: World;
  readonly network: Network;
  readonly evidence: Evidence;
  readonly code: Bundle<PageCode>;
  readonly browser: Browser;
  /** What an earlier page of the same tab has left. */
  readonly storage: Storage;
}

/** A send of a page: what became of it. */
export interface Sent {
  /** Its name. The body has it, so that the handler knows which send it answers. */
  readonly name: string;
  readonly trigger: 'submit-message' | 'regenerate-message';
  readonly message: UIMessage;
  readonly at: number;
  /** What the page has read of the answer. */
  readonly chunks: UIMessageChunk[];
  state: 'sending' | 'answering' | 'done' | 'refused';
  error: unknown;
}

/** One page. */
export class Page {
  readonly process: Process;
  readonly browser: Browser;
  readonly storage: Storage;
  /** Its state in the browser; undefined outside of one. */
  readonly tab: Tab | undefined;
  readonly session: DurableSession;
  readonly sessionId: string;
  readonly sends: Sent[] = [];
  readonly #options: PageOptions;
  readonly #transport: InstanceType<PageCode['DurableChatTransport']>;
  readonly #core: ReturnType<PageCode['coreOf']>;
  readonly #leave: () => void;

  constructor(options: PageOptions) {
    const { name, world, network, code, sessionId, browser, storage } = options;
    this.#options = options;
    this.sessionId = sessionId;
    this.process = new Process(name, world);
    const fetch = network.fetchOf(this.process);
    this.browser = browser;
    this.storage = storage;
    this.tab = browser.open(this.process, storage);
    const { DurableSession, DurableChatTransport, coreOf } = code({
      ...this.process.globals,
      ...this.tab?.globals,
      fetch,
    });
    this.session = new DurableSession({ id: sessionId, fetch });
    this.#transport = new DurableChatTransport({ session: this.session });
    this.#core = coreOf(this.session);
    this.#leave = this.session.open();
  }

  /** The session's messages, as far as this page knows. */
  get messages(): UIMessage[] {
    const { state } = this.session.getSnapshot();
    return state ? messagesOf(state) : [];
  }

  /** Sends a message, perhaps under the name of an equal send, and reads the answer to its end. */
  send(message: UIMessage, { body, name }: { body?: object; name?: string } = {}): Promise<void> {
    const how = { trigger: 'submit-message', messageId: undefined } as const;
    return this.post([...this.messages, message], { ...how, ...(body && { body }), ...(name && { name }) });
  }

  /** Posts messages as the SDK does for a send, an edit or a regeneration, and reads the answer to its end. */
  async post(
    messages: UIMessage[],
    {
      name = `${this.process.name}/${this.sends.length + 1}`,
      ...how
    }: {
      trigger: 'submit-message' | 'regenerate-message';
      messageId: string | undefined;
      body?: object;
      name?: string;
    },
  ): Promise<void> {
    const { evidence, world, sessionId } = this.#options;
    const message = messages.at(-1);
    if (!message) return;
    const sent: Sent = {
      name,
      trigger: how.trigger,
      message,
      at: world.elapsed,
      chunks: [],
      state: 'sending',
      error: undefined,
    };
    this.sends.push(sent);
    try {
      const stream = await this.#transport.sendMessages({
        chatId: sessionId,
        messages,
        abortSignal: undefined,
        ...how,
        body: { ...how.body, send: name },
      });
      sent.state = 'answering';
      const reader = stream.getReader();
      for (;;) {
        const { done, value } = await reader.read();
        if (done) break;
        sent.chunks.push(value);
      }
      sent.state = 'done';
    } catch (error) {
      sent.state = 'refused';
      sent.error = error;
      evidence.world.trace(() => `${this.process.name} send of ${message.id} failed: ${String(error)}`);
    }
  }

  async stop(): Promise<StopReceipt | undefined> {
    const { evidence, world } = this.#options;
    try {
      const receipt = await this.session.stop();
      for (const { runId } of receipt.stopped) evidence.stopped.set(runId, world.elapsed);
      return receipt;
    } catch (error) {
      world.trace(() => `${this.process.name} stop failed: ${String(error)}`);
      return undefined;
    }
  }

  /** Leaves the session, as an app does that shows another chat. */
  close(): void {
    this.#leave();
    this.#core.leave();
  }
}
