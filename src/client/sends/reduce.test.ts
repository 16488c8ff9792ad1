// Every event in every state of a send. A missing case does not compile.

import type { UIMessage } from 'ai';
import { describe, expect, it } from 'vitest';
import type { SnapshotFrame } from '../../protocol/frames.ts';
import { isItsTurn, runsWithStops, unsentOf } from './queries.ts';
import {
  emptyClient,
  type Client,
  type ClientEvent,
  type Outgoing,
  type Send,
  type SendEvent,
} from './client-state.ts';
import { reduce } from './reduce.ts';

type State = Send['state'];

const message: UIMessage = { id: 'm', role: 'user', parts: [{ type: 'text', text: 'hello' }] };
const outgoing: Outgoing = { key: 'k', kind: 'new', message, afterMessageId: undefined };
const error = new Error('refused');
const snapshot: SnapshotFrame = {
  type: 'snapshot',
  messages: [],
  runs: [],
  ended: [],
  outcomes: [],
};
const start = {
  type: 'run-start',
  runId: 'r',
  messageId: 'a',
  trigger: 'submit-message',
  at: 0,
  userMessageId: 'm',
} as const;

const send = (change: Partial<Outgoing> = {}) =>
  ({ type: 'send', send: { ...outgoing, ...change } }) as const;
const events: Record<SendEvent['type'], SendEvent> = {
  send: send(),
  attempt: { type: 'attempt', key: 'k' },
  fail: { type: 'fail', key: 'k' },
  accept: { type: 'accept', key: 'k', runId: 'r' },
  pass: { type: 'pass', key: 'k' },
  refuse: { type: 'refuse', key: 'k', error },
  drop: { type: 'drop', key: 'k' },
};
const ask = { type: 'ask' } as const;
/** The events that bring a send into a state, once the session is known. */
const ways: Record<State, readonly (ClientEvent | SnapshotFrame | typeof start)[]> = {
  queued: [],
  posting: [events.attempt],
  offline: [events.attempt, events.fail],
  accepted: [events.attempt, events.accept],
  logged: [events.attempt, events.accept, start],
  lost: [events.attempt, events.accept, ask, snapshot],
  passed: [events.attempt, events.pass],
  refused: [events.attempt, events.refuse],
};
const clientIn = (state: State, change: Partial<Outgoing> = {}): Client =>
  [snapshot, send(change), ...ways[state]].reduce<Client>(reduce, emptyClient);
const stateOf = ({ sends }: Client): State | 'gone' => sends[0]?.state ?? 'gone';

type Table = Record<State, Record<Exclude<SendEvent['type'], 'send'>, State | 'gone'>>;
const answered = (state: State) =>
  ({ attempt: state, fail: state, accept: state, pass: state, refuse: state, drop: 'gone' }) as const;
const open = { accept: 'accepted', pass: 'passed', refuse: 'refused', drop: 'gone' } as const;
const table: Table = {
  queued: { ...open, attempt: 'posting', fail: 'offline' },
  posting: { ...open, attempt: 'posting', fail: 'offline' },
  offline: { ...open, attempt: 'posting', fail: 'offline' },
  accepted: answered('accepted'),
  logged: answered('logged'),
  lost: answered('lost'),
  passed: answered('passed'),
  refused: answered('refused'),
};

const states = Object.keys(ways) as State[]; // the record has no other keys
describe.each(states)('a send that is %s', (state) => {
  it('is reached', () => {
    expect(stateOf(clientIn(state))).toBe(state);
  });

  it.each(Object.entries(table[state]))('%s → %s', (type, next) => {
    expect(stateOf(reduce(clientIn(state), events[type as SendEvent['type']]))).toBe(next);
  });

  it('does not change its input', () => {
    const client = clientIn(state);
    const before = JSON.stringify(client.sends);
    for (const event of Object.values(events)) reduce(client, event);
    expect(JSON.stringify(client.sends)).toBe(before);
  });
});

describe('when the log has the message', () => {
  const logged = { type: 'message', message } as const;

  it.each<[State, State | 'gone']>([
    ['queued', 'queued'],
    ['posting', 'posting'],
    ['offline', 'offline'],
    ['accepted', 'accepted'],
    ['refused', 'gone'],
    ['passed', 'gone'],
  ])('then a send that is %s is %s', (state, next) => {
    const client = reduce(clientIn(state), logged);
    expect(stateOf(client)).toBe(next);
    expect(client.sends.every(({ isLogged }) => isLogged)).toBe(true);
  });

  it('a refusal removes its send', () => {
    expect(stateOf(reduce(reduce(clientIn('posting'), logged), events.refuse))).toBe('gone');
  });

  it.each<[Outgoing['kind'], State | 'gone']>([
    ['new', 'refused'],
    ['edit', 'gone'],
    ['regenerate', 'gone'],
    ['continue', 'gone'],
  ])('a refused send that is %s, of a message that the session does not have, is %s', (kind, next) => {
    expect(stateOf(reduce(clientIn('posting', { kind }), events.refuse))).toBe(next);
  });

  it('a refused edit is kept as long as its message exists', () => {
    const known = reduce(reduce(emptyClient, snapshot), logged);
    const refused = [send({ kind: 'edit' }), events.attempt, events.refuse].reduce<Client>(reduce, known);
    expect(stateOf(refused)).toBe('refused');
    expect(stateOf(reduce(refused, { type: 'message-delete', messageId: 'm' }))).toBe('gone');
  });

  describe('the changes of a refused send', () => {
    const changes = { seen: '1', removed: ['a'], edited: [] };
    const known = [snapshot, logged].reduce<Client>(reduce, emptyClient);
    const gone = { type: 'message-delete', messageId: 'm' } as const;
    const refused = (kind: Outgoing['kind']) => [send({ kind, changes }), events.attempt, events.refuse];
    const intentOf = (list: readonly (ClientEvent | typeof gone)[], client = known) =>
      list.reduce<Client>(reduce, client).intent;

    it.each(['edit', 'regenerate', 'continue'] as const)(
      '(%s) stay while the session has its message',
      (kind) => {
        expect(intentOf(refused(kind))).toBe(changes);
        // The removal is known before the refusal, or after it.
        expect(intentOf([gone, ...refused(kind)])).toBeUndefined();
        expect(intentOf([...refused(kind), gone])).toBeUndefined();
      },
    );

    it('(new) stay: the session never had its message', () => {
      expect(intentOf(refused('new'), reduce(emptyClient, snapshot))).toBe(changes);
    });

    it('do not take a later change of the app with them', () => {
      const later = { ...changes, removed: ['b'] };
      const intend = { type: 'intend', intent: later } as const;
      expect(intentOf([...refused('regenerate'), intend, gone])).toBe(later);
    });
  });

  it('a run is lost only after a later request for the session', () => {
    expect(stateOf(reduce(clientIn('accepted'), snapshot))).toBe('accepted');
  });
});

describe('the order of sends', () => {
  const second = send({ key: 'k2', message: { ...message, id: 'm2' } });
  const isNext = (client: Client) => isItsTurn(reduce(client, second), 'k2');

  it.each<[State, boolean]>([
    ['queued', false],
    ['posting', false],
    ['offline', false],
    ['accepted', true],
    ['logged', true],
    ['lost', true],
    ['passed', true],
    ['refused', true],
  ])('after one that is %s the next one may be posted: %s', (state, may) => {
    expect(isNext(clientIn(state))).toBe(may);
  });

  it('a send follows one whose message is in the log, also before its answer', () => {
    expect(isNext(reduce(clientIn('posting'), { type: 'message', message }))).toBe(true);
  });

  it('a stop that waits for the network goes first', () => {
    const running = [start, { type: 'stop', ids: ['r'] } as const].reduce<Client>(
      reduce,
      clientIn('refused'),
    );
    expect(isNext(running)).toBe(true);
    const waiting = reduce(running, { type: 'stop-fail', ids: ['r'] });
    expect(isNext(waiting)).toBe(false);
    expect(isNext(reduce(waiting, { type: 'stop-taken', ids: ['r'] }))).toBe(true);
  });
});

describe('a stop', () => {
  const running = reduce(clientIn('accepted'), start);
  const statuses = (client: Client) => runsWithStops(client).map(({ status }) => status);
  const stopped = reduce(running, { type: 'stop', ids: ['r'] });

  it('is shown from the start until the log has it', () => {
    expect(statuses(running)).toEqual(['running']);
    expect(statuses(stopped)).toEqual(['stopping']);
    const logged = reduce(stopped, { type: 'run-stop', runId: 'r' });
    expect(logged.stops).toEqual([]);
    expect(statuses(logged)).toEqual(['stopping']);
  });

  it('of an ended run is over', () => {
    expect(reduce(stopped, { type: 'run-end', runId: 'r', reason: 'finish', chunks: 1 }).stops).toEqual([]);
  });

  it('that failed is no longer shown', () => {
    expect(statuses(reduce(stopped, { type: 'stop-over', ids: ['r'] }))).toEqual(['running']);
  });

  it('of a send without a response is shown on its run', () => {
    const early = [{ type: 'stop', ids: ['m'] } as const, start].reduce<Client>(reduce, clientIn('posting'));
    expect(statuses(early)).toEqual(['stopping']);
  });
});

it.each<[State, string[]]>([
  ['queued', ['waiting']],
  ['posting', ['sending']],
  ['offline', ['waiting']],
  ['accepted', []],
  ['logged', []],
  ['lost', []],
  ['passed', []],
  ['refused', ['refused']],
])('an app sees a send that is %s as %j', (state, seen) => {
  expect(unsentOf(clientIn(state)).map(({ status }) => status)).toEqual(seen);
});
