// A send from its reservation to its run: reserved once, planned against the log, put in its place, then produced.
// Two round trips to the store precede the call of the app's handler. A new session with earlier messages takes one
// more, and so does each run that the send stops.

import type { UIMessage } from 'ai';
import { DurableChatError } from '../../protocol/errors.ts';
import { entries, whyVoid, type VoidReason } from '../../protocol/entries.ts';
import { historyOf, isItsTurn, type ActiveRun, type SessionState } from '../../protocol/session-state.ts';
import { relayRun } from './attach.ts';
import { beginSession } from './begin.ts';
import { deadlineOf } from '../lib/deadline.ts';
import { endRun } from '../follow/end.ts';
import type { RunEvent } from '../lib/events.ts';
import { newId } from '../lib/id.ts';
import type { Opened } from '../keep/app-history.ts';
import { unlessDead } from './busy.ts';
import { checkRoom } from './limits.ts';
import type { Log } from '../follow/log.ts';
import type { Session } from '../follow/session.ts';
import { messageIn } from '../keep/reports.ts';
import type { WhenBusy } from '../options.ts';
import type { Settings } from '../settings.ts';
import { withSteering, type HandlerRun } from '../run/steering.ts';
import { createReplyStream } from '../run/reply-stream.ts';
import { passThrough } from './passthrough.ts';
import { patiently, retry } from '../lib/retry.ts';
import { startRun, type Started } from '../run/run.ts';
import { newMessageId } from '../lib/message-id.ts';
import { reserveSend, giveBack, type Reservation } from './idempotency.ts';
import { continues, lateResults, planTurn, sendOf, type Plan, type SendKey } from './plan.ts';
import { refusal } from './refusals.ts';
import type { SendBody } from './send-body.ts';
import { startEntry } from './start-entry.ts';

export interface SendOptions extends Opened {
  readonly settings: Settings;
  readonly body: SendBody;
  /** A name for this send that its client chose; a retry carries the same. */
  readonly named: string | null;
  readonly by: string | undefined;
  /** The client's own subscription, which is sent no chunks of the run. */
  readonly subscriptionId: string | null;
  readonly waitUntil: (promise: Promise<unknown>) => void;
  /** Calls the app's handler. */
  readonly call: (run: HandlerRun, history: readonly UIMessage[], signal: AbortSignal) => Promise<unknown>;
}

/** The answer to a send. Throws what the client has to be told. */
export async function send(options: SendOptions): Promise<Response> {
  const deadline = deadlineOf(options.settings);
  const { session, release } = options.sessions.hold(options.body.id);
  const sending: Sending = { ...options, session, release };
  let accepted: Accepted;
  try {
    accepted = await accept(sending);
  } catch (error) {
    release();
    // A continuation brings outcomes, which nobody can check now.
    const isNew = options.body.messages.at(-1)?.role === 'user';
    const lets = options.settings.onStoreDown === 'passthrough';
    if (lets && isNew && isStoreDown(error)) return passThrough(options);
    throw error;
  }
  if (accepted.type === 'run') return produce(sending, accepted, deadline);
  release();
  return attach(options, accepted.runId);
}

/** A send, and the session that is held for it. */
interface Sending extends SendOptions {
  readonly session: Session;
  readonly release: () => void;
}

function isStoreDown(error: unknown): boolean {
  return error instanceof DurableChatError && error.code === 'store_failed';
}

type Accepted =
  | { readonly type: 'attach'; readonly runId: string }
  | {
      readonly type: 'run';
      readonly runId: string;
      readonly plan: Plan;
      readonly sent: SendKey;
      /** The session with the run in its place. */
      readonly state: SessionState;
    };

async function accept(options: Sending): Promise<Accepted> {
  const { session, body, named, settings } = options;
  const whenBusy = policyOf(settings, body);
  const runId = newId();
  const sent = sendOf(body, named);
  const reservation = { session, send: sent, runId, leaseMs: settings.leaseMs };
  let placed = false;
  try {
    const reserved = await reserveSend(reservation);
    if (reserved.type === 'attach') return reserved;
    const { log } = reserved;
    await waitUntilWritten(options, log);
    const onPlace = () => (placed = true);
    const plan = await takePlace(options, { runId, sent, whenBusy, onPlace }, log);
    return { type: 'run', runId, plan, sent, state: log.state };
  } catch (error) {
    // What was not accepted can be sent again. A store that is down has kept the client waiting long enough, and
    // may have put a run in its place that nobody works on.
    if (isStoreDown(error)) options.waitUntil(undo(reservation, placed).catch(() => {}));
    else await giveBack(reservation).catch(() => {});
    throw error;
  }
}

async function undo(reservation: Reservation, placed: boolean): Promise<void> {
  const { session, runId, send } = reservation;
  if (placed)
    await endRun({
      store: session.store,
      runId,
      closure: { reason: 'error' },
      chunks: [],
      reservation: send.key,
      early: true,
    });
  else await retry(() => giveBack(reservation), patiently);
}

interface Placing {
  readonly runId: string;
  readonly sent: SendKey;
  readonly whenBusy: WhenBusy;
  /** Called when the log may have the run from now on. */
  readonly onPlace: () => void;
}

/** Puts the run in its place, in `log` too, and stops what has to make room for it. */
async function takePlace(
  options: Sending,
  { runId, sent, whenBusy, onPlace }: Placing,
  log: Log,
): Promise<Plan> {
  const { session, by, settings, body, subscriptionId } = options;
  await beginSession(options, log);
  await keepLate(options, runId, log.state);
  const taken = [...log.state.order, ...body.messages.slice(-1).map(({ id }) => id)];
  const messageId = newMessageId(settings, taken);
  const { plan, entry } = await unlessDead(session, log, () => {
    const plan = planTurn(log.state, body, messageId, (id) => log.hasHad(id));
    checkRoom(settings.limits, log.state, plan);
    const starting = { runId, sent, whenBusy, by, trigger: body.trigger, subscriptionId };
    const entry = startEntry(settings, starting, plan, log.epoch);
    const why = whyVoid(log.state, log.epoch, entry);
    if (why) throw refusal(why, settings);
    return { plan, entry };
  });
  const after = log.lastId;
  let why: VoidReason | undefined;
  const lease = { type: 'take', runId, ms: settings.leaseMs } as const;
  onPlace();
  for (const added of await session.append(entry, { after, lease })) {
    if (added.key === entry.key && !log.hasKey(entry.key)) why = whyVoid(log.state, log.epoch, entry);
    log.add(added);
  }
  // Others were a moment earlier: the entry does not count.
  if (why === 'last') await keepLate(options, runId, log.state);
  if (why) throw refusal(why, settings);

  const isDisplaced = (active: ActiveRun) => plan.displaced.includes(active.runId);
  const before = runsBefore(log.state, runId).filter((active) => !active.stop && !isDisplaced(active));
  const cause = { by, interruptedBy: plan.userMessageId };
  // Only now: a send that comes to nothing stops nothing.
  await session.stop(plan.displaced, cause);
  const hasPlace = ({ messageId }: ActiveRun) => log.state.order.includes(messageId);
  const running = before.filter((active) => hasPlace(active) && isItsTurn(log.state, active.runId));
  if (whenBusy === 'interrupt') await session.stop(running.map(idOf), cause);
  // Edits at the same moment: the later one counts, and the other is told.
  const lost = before.filter((active) => !hasPlace(active));
  await session.stop(lost.map(idOf), { ...cause, conflict: true });
  return plan;
}

/**
 * A client continues a message as soon as it has all of it, which is a moment before the log has: the run that
 * writes the message is waited for.
 */
async function waitUntilWritten(options: Sending, log: Log): Promise<void> {
  const { session, body, settings } = options;
  const last = body.messages.at(-1)!; // validated as not empty
  const writer = continues(body, last) && log.state.active.find(({ messageId }) => messageId === last.id);
  if (!writer) return;
  await session.ready;
  await session.untilOver([writer.runId], settings.leaseMs);
  for (const entry of await session.store.readLog(log.lastId, { fresh: true })) log.add(entry);
}

/** What the app lets this send do when the session is busy. */
function policyOf({ whenBusy, allowWhenBusy }: Settings, body: SendBody): WhenBusy {
  if (body.whenBusy === undefined || body.whenBusy === whenBusy) return whenBusy;
  if (allowWhenBusy.includes(body.whenBusy)) return body.whenBusy;
  throw new DurableChatError(
    'forbidden',
    `This server does not allow whenBusy: '${body.whenBusy}'. The app must add it to allowWhenBusy.`,
  );
}

/** Of a continuation that is refused, what it brings is kept all the same. */
async function keepLate({ session, body }: Sending, runId: string, state: SessionState): Promise<void> {
  const frames = lateResults(state, body, newId());
  if (frames.length === 0) return;
  await session.append(entries.late(runId, frames), { existing: true });
}

function idOf({ runId }: ActiveRun): string {
  return runId;
}

/** Active runs that stand before this one. */
function runsBefore(state: SessionState, runId: string): readonly ActiveRun[] {
  return state.active.slice(
    0,
    state.active.findIndex((active) => active.runId === runId),
  );
}

async function produce(
  options: Sending,
  { runId, plan, sent, state }: Extract<Accepted, { type: 'run' }>,
  deadline: number | undefined,
): Promise<Response> {
  const { session, release, keeper, settings, body, call, waitUntil } = options;
  const reply = createReplyStream(runId);
  const queued = !isItsTurn(state, runId);
  const question = historyOf(state, plan.messageId).findLast(({ role }) => role === 'user')?.id;
  const about = { sessionId: body.id, runId, ...(question !== undefined && { messageId: question }) };
  const onError = (error: unknown) => settings.onError(error, about);
  const { started, ended } = startRun({
    ...settings,
    deadline,
    onError,
    onEvent: (event: RunEvent) => settings.onEvent({ ...event, sessionId: body.id, runId }),
    session,
    runId,
    messageId: plan.messageId,
    question,
    send: sent,
    reply,
    queued,
    state,
    call: (history, steered, signal) => call(withSteering(runId, plan.messageId, steered), history, signal),
  });
  const message = messageIn(plan.frames);
  if (settings.onMessage && message) {
    const { by } = options;
    const stored = { sessionId: body.id, runId, message, ...(by !== undefined && { by }) };
    waitUntil(keeper.tellMessage(session, stored));
  }
  waitUntil(
    ended
      .then(() => keeper.tell(body.id))
      .catch(onError)
      .finally(release),
  );
  void started.then((outcome) => {
    if (outcome.type === 'failed') onError(outcome.error.cause ?? outcome.error);
  });
  // A send that waits for its turn is answered now; its client knows the run by the header.
  return answer(queued ? { type: 'streaming' } : await started);

  function answer(outcome: Started): Response {
    switch (outcome.type) {
      case 'streaming':
        return reply.response(outcome.headers);
      case 'refused':
        return outcome.response;
      case 'failed':
        throw outcome.error;
      default:
        return outcome satisfies never;
    }
  }
}

function attach({ sessions, body, waitUntil }: SendOptions, runId: string): Response {
  // Each of them follows the session as a viewer does.
  const { session, release } = sessions.view(body.id);
  const reply = createReplyStream(runId);
  waitUntil(
    relayRun(session, runId, reply)
      .catch(() => reply.fail())
      .finally(release),
  );
  return reply.response();
}
