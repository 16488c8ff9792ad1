// One session of a schedule: its viewers, their actions, and the sends that the server has accepted.

import type { UIMessage } from 'ai';
import { isDeepStrictEqual } from 'node:util';
import { setTimeout as sleep } from 'node:timers/promises';
import { DurableChatError } from '../../protocol/errors.ts';
import type { Cluster } from './chaos-cluster.fixture.ts';
import type { Action } from './chaos-schedule.fixture.ts';
import type { Random } from '../fixtures/random.fixture.ts';
import { openTab, textOf, type Tab } from '../fixtures/tab.fixture.ts';
import { sendBody, type Client } from '../fixtures/world.fixture.ts';

/** A body of the AI SDK. A tool outcome has no messages. */
interface Posted {
  readonly trigger: string;
  readonly messageId?: string;
  readonly messages?: readonly UIMessage[];
}

interface Viewer {
  readonly client: Client;
  tab: Tab;
}

export class Conversation {
  readonly id: string;
  readonly accepted: Map<string, Set<string>> = new Map();
  readonly violations: string[] = [];
  faults: number = 0;
  joined: number = 0;
  #opened = 0;
  readonly #asked: Client[] = [];
  readonly #viewers: Viewer[] = [];
  readonly #cluster: Cluster;
  readonly #random: Random;
  /** The sends of its viewers by text, with the viewer. */
  readonly #sent = new Map<string, Tab>();
  /** The texts that were posted, and those that were accepted. */
  readonly #posted = new Set<string>();
  readonly #taken = new Set<string>();

  constructor(id: string, cluster: Cluster, random: Random) {
    this.id = id;
    this.#cluster = cluster;
    this.#random = random;
  }

  /** The number of connections after each viewer's first one. */
  get reconnects(): number {
    const subscriptions = this.#asked.flatMap(({ requests }) =>
      requests.filter(({ method }) => method === 'GET'),
    );
    return Math.max(0, subscriptions.length - this.#opened);
  }

  perform(action: Action): void {
    const viewer = 'viewer' in action ? this.#viewers[action.viewer % this.#viewers.length] : undefined;
    switch (action.type) {
      case 'join':
        if (this.#viewers.length < 5) this.#join();
        break;
      case 'leave':
        if (viewer && this.#viewers.length > 1) this.#leave(viewer);
        break;
      case 'reload':
        if (viewer) this.#open(viewer);
        break;
      case 'cut':
        this.faults++;
        viewer?.client.cut();
        break;
      case 'drop-at': {
        let left = action.times;
        this.faults += left;
        if (viewer) viewer.client.limit = () => (left-- > 0 ? action.bytes : undefined);
        break;
      }
      case 'send':
        if (viewer)
          this.#send(viewer, action.text, action.whenBusy && { body: { whenBusy: action.whenBusy } });
        break;
      case 'send-twice':
        void this.#sendTwice(action.text, action.pauseMs);
        break;
      case 'edit': {
        const message = this.#random.pick(
          viewer?.tab.chat.messages.filter(({ role }) => role === 'user') ?? [],
        );
        if (!viewer || !message) break;
        const text = `${textOf(message)} (edited)`;
        this.#sent.set(text, viewer.tab);
        this.#expectTyped('edit', viewer.tab.chat.sendMessage({ text, messageId: message.id }));
        break;
      }
      case 'regenerate': {
        const message = this.#random.pick(
          viewer?.tab.chat.messages.filter(({ role }) => role === 'assistant') ?? [],
        );
        if (viewer && message) {
          this.#expectTyped('regenerate', viewer.tab.chat.regenerate({ messageId: message.id }));
        }
        break;
      }
      case 'stop':
        if (!viewer) break;
        // Its sends that still wait for the network are given up.
        for (const [text, tab] of this.#sent) if (tab === viewer.tab) this.#posted.add(text);
        this.#expectTyped('stop', viewer.tab.stop());
        break;
      case 'withdraw': {
        const waiting = viewer?.tab.session.getSnapshot().runs.find(({ status }) => status === 'queued');
        if (viewer && waiting)
          this.#expectTyped('withdraw', viewer.tab.session.withdraw({ runId: waiting.runId }));
        break;
      }
      default:
        action satisfies never;
    }
  }

  /** From now on no connection breaks. */
  heal(): void {
    for (const { client } of this.#viewers) client.limit = () => undefined;
    if (this.#viewers.length === 0) this.#join();
  }

  /** Waits until every run has ended and all viewers show the log. */
  async agree(withinMs: number): Promise<void> {
    const session = this.#cluster.session(this.id);
    let log: Awaited<ReturnType<typeof session.read>> | undefined;
    const resting = (viewer: Viewer) => equal(this.#shownBy(viewer), log?.messages) && !isBusy(viewer.tab);
    // Read again each time, because an open request can still be accepted.
    const agreed = await within(withinMs, async () => {
      log = await session.read().catch(() => undefined);
      return log?.runs.length === 0 && this.#viewers.every(resting);
    });
    if (agreed) return;
    if (log?.runs.length !== 0) this.violations.push(`${log?.runs.length ?? 'unknown'} runs do not end`);
    for (const [index, viewer] of this.#viewers.entries()) {
      if (resting(viewer)) continue;
      const { connection } = viewer.tab.session.getSnapshot();
      const told = difference(this.#shownBy(viewer), log?.messages ?? []);
      this.violations.push(`viewer ${index} (${connection}, ${viewer.tab.chat.status}) ${told}`);
    }
  }

  /** G11: after all failures, a new turn is answered. */
  async nextRun(withinMs: number): Promise<void> {
    if (this.violations.length > 0) return;
    const viewer = this.#viewers[0]!;
    const text = 'at last, count to 3 at 1000/s';
    this.#send(viewer, text);
    const answered = () => {
      const texts = this.#shownBy(viewer).map(textOf);
      return texts[texts.indexOf(text) + 1] === '1 2 3';
    };
    if (!(await within(withinMs, async () => answered() && !isBusy(viewer.tab)))) {
      const texts = this.#shownBy(viewer).map(textOf).slice(-4);
      const { error, status } = viewer.tab.chat;
      const how = `${error?.message ?? 'no error'}, ${status}, ${isBusy(viewer.tab) ? 'busy' : 'idle'}`;
      this.violations.push(`the next run got no answer (${how}): ${JSON.stringify(texts)}`);
    }
    await this.agree(withinMs);
  }

  /** Waits until every send of an open tab has been posted. */
  checkPosts(): void {
    const open = new Set(this.#viewers.map(({ tab }) => tab));
    for (const [text, tab] of this.#sent) {
      if (open.has(tab) && !this.#posted.has(text)) this.violations.push(`"${text}" was never posted`);
    }
  }

  close(): void {
    for (const { tab } of this.#viewers) tab.close();
  }

  #join(): void {
    this.joined++;
    const client = this.#cluster.client();
    this.#asked.push(client);
    this.#viewers.push({ client, tab: this.#tab(client) });
  }

  #open(viewer: Viewer): void {
    viewer.tab.close();
    viewer.tab = this.#tab(viewer.client);
  }

  #tab(client: Client): Tab {
    this.#opened++;
    const watched = {
      ...client,
      fetch: (...request: Parameters<typeof fetch>) => this.#fetch(client, ...request),
    };
    return openTab(watched, this.id, {}, (attempt) => this.#random() * 50 * attempt);
  }

  #leave(viewer: Viewer): void {
    viewer.tab.close();
    this.#viewers.splice(this.#viewers.indexOf(viewer), 1);
  }

  #send(viewer: Viewer, text: string, options?: { readonly body: object }): void {
    this.#sent.set(text, viewer.tab);
    this.#expectTyped('send', viewer.tab.chat.sendMessage({ text }, options));
  }

  async #sendTwice(text: string, pauseMs: number): Promise<void> {
    const client = this.#cluster.client();
    const send = async () => {
      const body = sendBody(this.id, text);
      const response = await this.#fetch(client, '/api/chat', { method: 'POST', body }).catch(
        () => undefined,
      );
      await response?.body?.cancel();
    };
    const first = send();
    await sleep(pauseMs);
    await Promise.all([first, send()]);
  }

  /** Makes a request, and records the send if it was accepted. */
  async #fetch(client: Client, input: RequestInfo | URL, init?: RequestInit): Promise<Response> {
    const posted = typeof init?.body === 'string' ? (JSON.parse(init.body) as Posted) : undefined;
    const last = posted?.messages?.at(-1);
    if (last) this.#posted.add(textOf(last));
    const response = await client.fetch(input, init);
    const runId = response.headers.get('x-durable-run');
    if (runId === null || !posted) return response;
    if (last) this.#taken.add(textOf(last));
    const { trigger, messageId } = posted;
    // An edit is a message with the same id and its own run.
    if (trigger === 'submit-message' && messageId === undefined && last?.role === 'user') {
      this.accepted.set(last.id, (this.accepted.get(last.id) ?? new Set()).add(runId));
    }
    return response;
  }

  /** The messages that a viewer shows, without those that it could not send. */
  #shownBy({ tab }: Viewer): UIMessage[] {
    const { state, unsent } = tab.session.getSnapshot();
    const known = new Set(state?.order ?? []);
    const isUnsent = (message: UIMessage) =>
      !known.has(message.id) && this.#sent.has(textOf(message)) && !this.#taken.has(textOf(message));
    const refused = new Set(
      unsent.flatMap(({ status, messageId }) => (status === 'refused' ? messageId : [])),
    );
    return tab.chat.messages
      .filter((message) => !isUnsent(message))
      .map((message) => (refused.has(message.id) && state?.byId.get(message.id)) || message);
  }

  /** Every failure is a DurableChatError. */
  #expectTyped(what: string, promise: Promise<unknown>): void {
    promise.catch((error: unknown) => {
      if (!(error instanceof DurableChatError))
        this.violations.push(`${what} failed untyped: ${String(error)}`);
    });
  }
}

/** With several open sends, the chat's status is the newest one's. */
function isBusy({ chat, core }: Tab): boolean {
  const isReading = chat.status === 'streaming' || chat.status === 'submitted';
  return isReading || core.sending || !core.deliveries.isEmpty;
}

/** Equal as JSON, like the messages in the log. */
function equal(shown: unknown, logged: unknown): boolean {
  return isDeepStrictEqual(shown === undefined ? shown : JSON.parse(JSON.stringify(shown)), logged);
}

async function within(ms: number, condition: () => Promise<boolean>): Promise<boolean> {
  const until = performance.now() + ms;
  // A check that hangs fails.
  while (!(await Promise.race([condition(), sleep(until - performance.now()).then(() => false)]))) {
    if (performance.now() > until) return false;
    await sleep(100);
  }
  return true;
}

/** The first difference of two lists, in one line. */
function difference(shown: readonly UIMessage[], logged: readonly UIMessage[]): string {
  const index = logged.findIndex((message, at) => !equal(shown[at], message));
  if (index === -1 && shown.length === logged.length) return 'shows what the log holds, and is busy';
  const at = index === -1 ? logged.length : index;
  const tell = (message: UIMessage | undefined) => JSON.stringify(message)?.slice(0, 120) ?? 'nothing';
  return `shows ${shown.length} of ${logged.length}, at ${at} ${tell(shown[at])} instead of ${tell(logged[at])}`;
}
