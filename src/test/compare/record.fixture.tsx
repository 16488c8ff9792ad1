// One scenario with one hook on one route, and everything that an app can see: each
// render, each callback, each request.

import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { expect } from 'vitest';
import {
  cleanUp,
  type Helpers,
  type Hook,
  type Message,
  type Network,
  type Options,
} from '../fixtures/hooks.fixture.tsx';

/** The actions of a scenario. */
export interface Actor {
  /** The helpers of the latest render. */
  readonly chat: Helpers;
  /** Adds a line to the callbacks. */
  note(line: string): void;
  /** Renders again with other options. */
  render(change: Partial<Options>): Promise<void>;
  unmount(): void;
  /** Waits until nothing more happens. An answer that waits for `go` does not count. */
  quiet(): Promise<void>;
  /** Releases the answers that wait for it. */
  go(): Promise<void>;
}

export interface Scenario {
  readonly options?: (actor: Actor) => Options;
  readonly strict?: true;
  readonly play: (actor: Actor) => Promise<void>;
}

export interface Trace {
  /** The renders: status, messages, queued messages, error. A render that equals the previous one is omitted. */
  readonly renders: readonly string[];
  readonly calls: readonly string[];
  readonly requests: readonly string[];
  /** The functions and messages that changed only their identity. */
  readonly identities: readonly string[];
}

export interface Stage {
  readonly hook: Hook;
  readonly network: Network;
  /** Long enough for all effects to be visible. */
  turn(): Promise<void>;
  /** Releases waiting answers. */
  go(): void;
  /** The requests to record. */
  readonly counts: (request: { readonly method: string; readonly url: string }) => boolean;
  /** Options for all scenarios. */
  readonly options?: Options;
}

export async function record(scenario: Scenario, stage: Stage): Promise<Trace> {
  const { alias, aliasMessages } = createAliases();
  const renders: string[] = [];
  const calls: string[] = [];
  const identities = new Set<string>();
  const { network, hook } = stage;
  let latest: Helpers | undefined;
  let rendered: Options | undefined;
  /** Counts all events. */
  let moves = 0;
  let ids = 0;
  let before: { helpers: Helpers; shown: Map<string, { message: Message; json: string }> } | undefined;

  function line(helpers: Helpers): string {
    const { id, status, messages, error, experimental_queuedMessages } = helpers;
    // The older SDK has no queue.
    const queued = (experimental_queuedMessages as Message[] | undefined) ?? [];
    aliasMessages([...messages, ...queued]);
    const parts = [
      alias(id),
      status,
      ...messages.map((message) => brief(alias(message) as Message)),
      ...queued.map((message) => `queued ${brief(alias(message) as Message)}`),
      ...(error ? [`error: ${alias(error.message) as string}`] : []),
    ];
    return parts.join(' | ');
  }

  function compare(helpers: Helpers): void {
    const { id, messages } = helpers;
    const shown = new Map(
      messages.map((message) => [message.id, { message, json: JSON.stringify(alias(message)) }]),
    );
    if (before && before.helpers.id === id) {
      for (const [name, value] of Object.entries(helpers)) {
        const was = before.helpers[name as keyof Helpers];
        if (typeof value === 'function' && was !== value) identities.add(`${name} is another function`);
      }
      for (const [id, { message, json }] of shown) {
        const was = before.shown.get(id);
        if (was && was.message !== message && was.json === json)
          identities.add(`${String(alias(id))} is another object`);
      }
    }
    // The SDK changes the last message in place, so that its text is copied.
    before = { helpers, shown };
  }

  function Component({ options }: { options: Options }) {
    const helpers = hook(options);
    latest = helpers;
    rendered = options;
    moves++;
    const text = line(helpers);
    if (renders.at(-1) !== text) renders.push(text);
    // A getter in some versions, which must be read during this render.
    compare({ ...helpers });
    return null;
  }

  const call = (name: string, ...what: unknown[]) => {
    moves++;
    calls.push([name, ...what.map((value) => JSON.stringify(alias(value)))].join(' '));
  };
  const actor: Actor = {
    get chat() {
      if (!latest) throw new Error('It has not rendered yet.');
      return latest;
    },
    note: (note) => call(note),
    async render(change) {
      options = { ...options, ...change };
      show();
      await expect.poll(() => rendered).toBe(options);
      await actor.quiet();
    },
    unmount: () => root.unmount(),
    async quiet() {
      for (let quiet = 0; quiet < 3; quiet++) {
        const was = moves + network.requests.length;
        await stage.turn();
        if (was !== moves + network.requests.length) quiet = -1;
      }
    },
    async go() {
      stage.go();
      await actor.quiet();
    },
  };

  const root = createRoot(document.createElement('div'));
  cleanUp.push(() => root.unmount());
  let options: Options = {
    id: 's',
    fetch: network.fetch,
    generateId: () => `generated-${ids++}`,
    onError: (error) => call('onError', error.message),
    onFinish({ message, messages, ...how }) {
      aliasMessages([...messages, message]);
      const ids = messages.map(({ id }) => id);
      call('onFinish', how, message, ids);
    },
    onData: (part) => call('onData', part),
    onToolCall: ({ toolCall }) => call('onToolCall', toolCall),
    ...stage.options,
    ...scenario.options?.(actor),
  };
  function show(): void {
    const component = <Component options={options} />;
    root.render(scenario.strict ? <StrictMode>{component}</StrictMode> : component);
  }
  show();
  await expect.poll(() => latest).toBeDefined();
  await actor.quiet();
  await scenario.play(actor);
  await actor.quiet();
  root.unmount();
  await actor.quiet();
  return {
    renders,
    calls,
    identities: [...identities],
    requests: network.requests
      .filter(stage.counts)
      .map(({ method, url, headers, body, credentials, signal }) =>
        [
          method,
          alias(url),
          withoutNames(JSON.stringify(alias(headers))),
          withoutNames(JSON.stringify(alias(body))),
          ...(credentials ? [`credentials ${credentials}`] : []),
          ...(signal?.aborted ? ['aborted'] : []),
        ].join(' '),
      ),
  };
}

/** A message in one line: its id, its role unless the alias names it, its parts, its metadata. */
function brief({
  id,
  role: _role,
  parts,
  metadata,
}: Pick<Message, 'id' | 'role' | 'parts' | 'metadata'>): string {
  const said = parts.map((part) => {
    if (part.type !== 'text') return JSON.stringify(part);
    const { type: _type, text, state, ...rest } = part;
    const more = Object.keys(rest).length > 0 ? JSON.stringify(rest) : '';
    return `“${text}”${state ? ` ${state}` : ''}${more}`;
  });
  return [`${id}:`, ...said, ...(metadata === undefined ? [] : [JSON.stringify(metadata)])].join(' ');
}

/** Ids that a client makes for itself and its requests. */
function withoutNames(json: string | undefined): string | undefined {
  return (
    json
      ?.replace(/"(idempotency-key|answer|holder)":"[^"]*"/g, '"$1":"<made>"')
      // Each POST to a known session has it. The difference would hide all others of the request.
      .replace(/,?"x-durable-subscription":"[^"]*"/, '')
  );
}

// Replaces generated ids by names, so that two traces can be compared.
interface Aliases {
  /** A copy through JSON, with names for ids and sorted keys. */
  alias(value: unknown): unknown;
  /** Names the messages that have no name yet, in the order in which they appeared. */
  aliasMessages(messages: readonly Pick<Message, 'id' | 'role'>[]): void;
}

/** Ids that a test has set are names already. */
const isGenerated = (id: string) => /^(generated-\d+|[A-Za-z0-9]{16}|msg-.+|[\w-]{16,})$/.test(id);

function createAliases(): Aliases {
  const names = new Map<string, string>();
  const counts = new Map<string, number>();

  function name(id: string, kind: string): string {
    const count = (counts.get(kind) ?? 0) + 1;
    counts.set(kind, count);
    names.set(id, `<${kind} ${count}>`);
    return `<${kind} ${count}>`;
  }

  function alias(value: unknown): unknown {
    if (typeof value === 'string') return names.get(value) ?? value;
    if (Array.isArray(value)) return value.map(alias);
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(
      Object.entries(value)
        .filter(([, one]) => one !== undefined)
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([key, one]) => [key, alias(one)]),
    );
  }

  return {
    alias,
    aliasMessages(messages) {
      for (const { id, role } of messages) if (!names.has(id) && isGenerated(id)) name(id, role);
    },
  };
}
