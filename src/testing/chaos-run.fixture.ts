// One schedule of the chaos suite: many sessions on one store, everything that befalls them, and what has to be
// true of them once that is over.

import type { UIMessage } from 'ai';
import { isDeepStrictEqual } from 'node:util';
import { setTimeout as sleep } from 'node:timers/promises';
import { DurableChatError } from '../protocol/errors.ts';
import { checkSession } from './chaos-check.fixture.ts';
import { createCluster, type Cluster } from './chaos-cluster.fixture.ts';
import type { Action, Schedule, Trouble } from './chaos-schedule.fixture.ts';
import { createRandom, type Random } from './random.fixture.ts';
import { openTab, textOf, type Tab } from './tab.fixture.ts';
import type { UpstashServer } from './upstash-server.ts';
import { sendBody, type Client } from './world.fixture.ts';

export interface Outcome {
  readonly seed: number;
  readonly sessions: number;
  readonly viewers: number;
  readonly runs: number;
  readonly ends: Record<string, number>;
  readonly faults: number;
  readonly reconnects: number;
  /** From the end of the last fault until all viewers and the log agreed. */
  readonly healedMs: number;
  readonly violations: string[];
}

/** The longest that anything here may take: a silent subscription is missed after 20 s, a hung request given up. */
const healWithinMs = 90_000;

export async function runSchedule(server: UpstashServer, schedule: Schedule): Promise<Outcome> {
  const { seed, instances, sessions, events } = schedule;
  const random = createRandom(seed + 1);
  const cluster = createCluster(server, instances, random);
  const conversations = Array.from(
    { length: sessions },
    (_, index) => new Conversation(`chaos ${seed} ${index}`, cluster, random),
  );
  const violations: string[] = [];
  let faults = 0;
  try {
    const begin = performance.now();
    for (const { atMs, what } of events) {
      const wait = begin + atMs - performance.now();
      // A chat prepares a message for a moment before it sends it: a stop then is a stop of the sending.
      await sleep(Math.max(1, wait));
      if (what.type === 'action') conversations[what.session]!.perform(what.action);
      else {
        faults++;
        befall(server, cluster, what, random);
      }
    }
    await cluster.heal();
    server.faults.clear();
    for (const conversation of conversations) conversation.heal();
    const healed = performance.now();
    await Promise.all(conversations.map((one) => one.agree(healWithinMs)));
    const healedMs = Math.round(performance.now() - healed);
    await Promise.all(conversations.map((one) => one.nextTurn(healWithinMs)));
    for (const conversation of conversations) conversation.checkPosts();

    const ends: Record<string, number> = {};
    let runs = 0;
    for (const { id, accepted, violations: own } of conversations) {
      const checked = await checkSession(cluster.channel, id, accepted, cluster.said);
      runs += checked.runs;
      for (const [reason, count] of Object.entries(checked.ends)) ends[reason] = (ends[reason] ?? 0) + count;
      violations.push(...[...own, ...checked.violations].map((what) => `${id}: ${what}`));
    }
    const sum = (of: (one: Conversation) => number) =>
      conversations.reduce((total, one) => total + of(one), 0);
    return {
      seed,
      sessions,
      viewers: sum((one) => one.joined),
      runs,
      ends,
      faults: faults + sum((one) => one.faults),
      reconnects: sum((one) => one.reconnects),
      healedMs,
      violations,
    };
  } finally {
    server.faults.clear();
    for (const conversation of conversations) conversation.close();
  }
}

function befall(server: UpstashServer, cluster: Cluster, what: Trouble, random: Random): void {
  switch (what.type) {
    case 'store': {
      const { fault, probability, forMs } = what;
      const end = server.faults.inject(fault, { match: () => random.chance(probability) });
      setTimeout(end, forMs);
      break;
    }
    case 'subscriptions':
      server.faults.dropSubscriptions(what.how);
      break;
    case 'late-wakes':
      cluster.lateWakes(what.forMs);
      break;
    case 'kill':
      cluster.kill(what.instance, what.againAfterMs);
      break;
    case 'freeze':
      cluster.freeze(what.instance, what.forMs);
      break;
    default:
      what satisfies never;
  }
}

/** A body as the AI SDK posts it; an answer to a tool call has no messages. */
interface Posted {
  readonly trigger: string;
  readonly messageId?: string;
  readonly messages?: readonly UIMessage[];
}

interface Viewer {
  readonly client: Client;
  tab: Tab;
}

/** One session, those who watch it, and what the server has accepted of them. */
class Conversation {
  readonly id: string;
  readonly accepted = new Map<string, Set<string>>();
  readonly violations: string[] = [];
  faults = 0;
  joined = 0;
  #opened = 0;
  readonly #asked: Client[] = [];
  readonly #viewers: Viewer[] = [];
  readonly #cluster: Cluster;
  readonly #random: Random;
  /** What its viewers have sent, by text, and from where. */
  readonly #sent = new Map<string, Tab>();
  /** Texts that were posted. */
  readonly #posted = new Set<string>();

  constructor(id: string, cluster: Cluster, random: Random) {
    this.id = id;
    this.#cluster = cluster;
    this.#random = random;
  }

  /** Connections that were opened after a viewer's first. */
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
        if (viewer) this.#expectTyped('stop', viewer.tab.stop());
        break;
      case 'withdraw': {
        const waiting = viewer?.tab.session.getSnapshot().runs.find(({ status }) => status === 'queued');
        if (viewer && waiting)
          this.#expectTyped('withdraw', viewer.tab.session.withdraw({ run: waiting.run }));
        break;
      }
      default:
        action satisfies never;
    }
  }

  /** No connection breaks any more. */
  heal(): void {
    for (const { client } of this.#viewers) client.limit = () => undefined;
    if (this.#viewers.length === 0) this.#join();
  }

  /** Every run ends, and all viewers come to show what the log holds. */
  async agree(withinMs: number): Promise<void> {
    const session = this.#cluster.session(this.id);
    let log: Awaited<ReturnType<typeof session.read>> | undefined;
    const resting = (viewer: Viewer) => equal(this.#shownBy(viewer), log?.messages) && !isBusy(viewer.tab);
    // Read anew each time: a request that was under way may still be accepted.
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

  /** G11: after all that, a new turn gets its answer. */
  async nextTurn(withinMs: number): Promise<void> {
    if (this.violations.length > 0) return;
    const viewer = this.#viewers[0]!;
    const text = 'at last, count to 3 at 1000/s';
    this.#send(viewer, text);
    const answered = () => this.#shownBy(viewer).slice(-2).map(textOf).join() === `${text},1 2 3`;
    if (!(await within(withinMs, async () => answered() && !isBusy(viewer.tab)))) {
      this.violations.push(`the next turn got no answer: ${viewer.tab.chat.error?.message ?? 'no error'}`);
    }
    await this.agree(withinMs);
  }

  /** What was sent from a tab that is still there has reached the network, whatever became of it there. */
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

  /** Makes a request, and keeps what was accepted by its answer. */
  async #fetch(client: Client, input: RequestInfo | URL, init?: RequestInit): Promise<Response> {
    const posted = typeof init?.body === 'string' ? (JSON.parse(init.body) as Posted) : undefined;
    const last = posted?.messages?.at(-1);
    if (last) this.#posted.add(textOf(last));
    const response = await client.fetch(input, init);
    const run = response.headers.get('x-durable-run');
    if (run === null || !posted) return response;
    const { trigger, messageId } = posted;
    // An edit is a message of the same id that becomes a run of its own.
    if (trigger === 'submit-message' && messageId === undefined && last?.role === 'user') {
      this.accepted.set(last.id, (this.accepted.get(last.id) ?? new Set()).add(run));
    }
    return response;
  }

  /** What a viewer shows, without what it could not send. */
  #shownBy({ tab }: Viewer): UIMessage[] {
    const known = new Set(tab.session.getSnapshot().state?.order ?? []);
    return tab.chat.messages.filter(
      (message) => known.has(message.id) || message.role !== 'user' || !this.#sent.has(textOf(message)),
    );
  }

  /** What fails does so with an error of ours. */
  #expectTyped(what: string, promise: Promise<unknown>): void {
    promise.catch((error: unknown) => {
      if (!(error instanceof DurableChatError))
        this.violations.push(`${what} failed untyped: ${String(error)}`);
    });
  }
}

function isBusy({ chat }: Tab): boolean {
  return chat.status === 'streaming' || chat.status === 'submitted';
}

/** Equal as JSON, which is how the log holds them. */
function equal(shown: unknown, logged: unknown): boolean {
  return isDeepStrictEqual(shown === undefined ? shown : JSON.parse(JSON.stringify(shown)), logged);
}

async function within(ms: number, condition: () => Promise<boolean>): Promise<boolean> {
  const until = performance.now() + ms;
  // What hangs does not hold.
  while (!(await Promise.race([condition(), sleep(until - performance.now()).then(() => false)]))) {
    if (performance.now() > until) return false;
    await sleep(100);
  }
  return true;
}

/** Where two lists part, in a line. */
function difference(shown: readonly UIMessage[], logged: readonly UIMessage[]): string {
  const index = logged.findIndex((message, at) => !equal(shown[at], message));
  if (index === -1 && shown.length === logged.length) return 'shows what the log holds, and is busy';
  const at = index === -1 ? logged.length : index;
  const tell = (message: UIMessage | undefined) => JSON.stringify(message)?.slice(0, 120) ?? 'nothing';
  return `shows ${shown.length} of ${logged.length}, at ${at} ${tell(shown[at])} instead of ${tell(logged[at])}`;
}
