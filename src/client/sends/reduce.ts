// How frames of the log and events of this client change the client's state. It is pure.

import type { UIMessage } from 'ai';
import { applyFrame } from '../../protocol/fold.ts';
import type { Frame } from '../../protocol/frames.ts';
import { emptySession, isActive, type SessionState } from '../../protocol/session-state.ts';
import { isSame } from '../../lib/equal.ts';
import {
  isOpen,
  type Client,
  type ClientEvent,
  type Send,
  type SendEvent,
  type Stop,
} from './client-state.ts';

/** The client's state after a frame of the session or an event of this client. */
export function reduce(client: Client, event: Frame | ClientEvent): Client {
  switch (event.type) {
    case 'send': {
      const { send } = event;
      const isLogged = send.kind === 'new' && client.session?.order.includes(send.message.id) === true;
      // The same message again replaces a refused one.
      const others = client.sends.filter(
        (one) =>
          one.key !== send.key &&
          !(
            one.state === 'refused' &&
            (one.message.id === send.message.id || send.changes?.removed.includes(one.message.id))
          ),
      );
      return { ...client, intent: undefined, sends: [...others, { ...send, isLogged, state: 'queued' }] };
    }
    case 'intend':
      return { ...client, intent: event.intent, intendedFor: undefined };
    case 'attempt':
    case 'fail':
    case 'pass':
    case 'drop':
    case 'accept':
    case 'refuse': {
      // The response to a send that was given up is ignored.
      if (!client.sends.some(({ key }) => key === event.key)) return client;
      const changed = client.sends.flatMap((send) =>
        send.key === event.key ? (nextSend(send, event, client.session) ?? []) : send,
      );
      if (event.type === 'refuse')
        return withIntent({ ...client, sends: changed, ...intentAfter(client, event.key) });
      if (event.type !== 'accept') return { ...client, sends: changed };
      const reads = new Map(client.reads).set(event.runId, 'reading');
      return withLog({ ...client, sends: changed, reads }, false);
    }
    case 'name': {
      const { runId, answerId } = event;
      const sends = client.sends.map((send) =>
        send.state === 'accepted' && send.runId === runId ? { ...send, answerId } : send,
      );
      return { ...client, sends };
    }
    case 'ask':
      return {
        ...client,
        sends: client.sends.map((send) => (send.state === 'accepted' ? { ...send, isAsked: true } : send)),
      };
    case 'read':
      return { ...client, reads: new Map(client.reads).set(event.runId, 'reading') };
    case 'read-end': {
      const reads = new Map(client.reads);
      if (event.how === 'end') reads.set(event.runId, 'read');
      else reads.delete(event.runId);
      return { ...client, reads };
    }
    case 'stop': {
      const known = new Set(client.stops.map(({ id }) => id));
      const made = event.ids.filter((id) => !known.has(id)).map((id): Stop => ({ id, state: 'posting' }));
      return { ...client, stops: [...client.stops, ...made] };
    }
    case 'stop-fail':
    case 'stop-taken': {
      const state = event.type === 'stop-fail' ? 'waiting' : 'taken';
      const stops = client.stops.map((stop) =>
        event.ids.includes(stop.id) ? ({ id: stop.id, state } as const) : stop,
      );
      return withLog({ ...client, stops }, false);
    }
    case 'stop-all':
      return { ...client, stopping: client.stopping + 1 };
    case 'stop-all-over':
      return { ...client, stopping: client.stopping - 1 };
    case 'stop-over':
      return { ...client, stops: client.stops.filter(({ id }) => !event.ids.includes(id)) };
    default: {
      const session = applyFrame(client.session ?? emptySession, event);
      if (session === client.session) return client;
      return withLog({ ...client, session }, event.type === 'snapshot');
    }
  }
}

/** A send after one of its events; undefined if it is removed. */
function nextSend(
  before: Send,
  event: Exclude<SendEvent, { type: 'send' }>,
  session: SessionState | undefined,
): Send | undefined {
  // A send has at most one response.
  if (!isOpen(before) && event.type !== 'drop') return before;
  const { key, kind, message, afterMessageId, changes, isLogged } = before;
  // The changes of a refused send are the app's intent again.
  const send = { key, kind, message, afterMessageId, isLogged, ...(event.type !== 'refuse' && { changes }) };
  const attempt = 'attempt' in before ? before.attempt : 0;
  switch (event.type) {
    case 'attempt':
      return { ...send, state: 'posting', attempt: attempt + 1 };
    case 'fail':
      return { ...send, state: 'offline', attempt };
    case 'accept':
      return { ...send, state: 'accepted', runId: event.runId, isAsked: false };
    case 'pass':
      return { ...send, state: 'passed' };
    case 'refuse': {
      // A refused send without a new message is removed, and so is a change of a removed message.
      const isKept = kind === 'new' ? !isLogged : kind === 'edit' && session?.byId.has(message.id) !== false;
      return isKept ? { ...send, state: 'refused', error: event.error } : undefined;
    }
    case 'drop':
      return undefined;
    default:
      return event satisfies never;
  }
}

/** What the app intends after the refusal of a send: its changes were not made, and travel with the next send. */
function intentAfter(client: Client, key: string): Partial<Client> {
  const { sends, intent } = client;
  const refused = sends.find((send) => send.key === key);
  const changes = refused && isOpen(refused) && !refused.isLogged ? refused.changes : undefined;
  if (!refused || !changes) return {};
  if (!intent)
    return { intent: changes, intendedFor: refused.kind === 'new' ? undefined : refused.message.id };
  const isNewer = ({ id }: UIMessage) => intent.edited.some((newer) => newer.id === id);
  return {
    intent: {
      seen: intent.seen,
      removed: [...new Set([...changes.removed, ...intent.removed])],
      edited: [...changes.edited.filter((message) => !isNewer(message)), ...intent.edited],
    },
  };
}

/**
 * Drops the changes of a refused edit, regeneration or continuation once the session does not have its message: the app
 * changed an older list, which must not stay (G4).
 */
function withIntent(client: Client): Client {
  const { session, intendedFor } = client;
  const isGone = intendedFor !== undefined && session?.order.includes(intendedFor) === false;
  return isGone ? { ...client, intent: undefined } : client;
}

/** Applies the log to sends and stops. `isWhole`: after a snapshot. */
function withLog(client: Client, isWhole: boolean): Client {
  const { session } = client;
  if (!session) return client;
  const isNamed = (runId: string) => session.ended.has(runId) || isActive(session, runId);
  const sends = client.sends.flatMap((send): Send | readonly Send[] => {
    const isLogged = send.isLogged || (send.kind === 'new' && session.order.includes(send.message.id));
    switch (send.state) {
      case 'accepted': {
        const { state: _state, isAsked, answerId: _answerId, ...accepted } = send;
        if (isNamed(send.runId)) return { ...accepted, isLogged: true, state: 'logged' };
        return isWhole && isAsked ? { ...accepted, state: 'lost' } : withLogged(send, isLogged);
      }
      case 'refused':
        return isLogged || (send.kind === 'edit' && !session.byId.has(send.message.id)) ? [] : send;
      case 'passed':
        return isLogged ? [] : send;
      default:
        return withLogged(send, isLogged);
    }
  });
  const isOver = ({ id, state }: Stop) => {
    const run = session.active.find(({ runId }) => runId === id);
    const isAhead = sends.some((send) =>
      send.state === 'accepted' ? send.runId === id : isOpen(send) && send.message.id === id,
    );
    if (run) return run.stop !== undefined;
    return !isAhead && (isWhole || state === 'taken' || session.ended.has(id));
  };
  const stops = client.stops.filter((stop) => !isOver(stop));
  // The log gets the app's initial messages before the run of their send.
  const bringsBeginning = sends.some(
    ({ afterMessageId, ...send }) =>
      (isOpen(send) || send.state === 'accepted') &&
      afterMessageId !== undefined &&
      !session.order.includes(afterMessageId) &&
      !sends.some(({ message }) => message.id === afterMessageId),
  );
  return withIntent({
    ...client,
    hasBegun:
      client.hasBegun ||
      (session.begun && (isWhole || !bringsBeginning)) ||
      sends.some(({ state }) => state === 'lost'),
    sends: isSame(sends, client.sends) ? client.sends : sends,
    stops: stops.length === client.stops.length ? client.stops : stops,
  });
}

function withLogged(send: Send, isLogged: boolean): Send {
  return isLogged === send.isLogged ? send : { ...send, isLogged };
}
