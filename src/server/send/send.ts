// A send from its reservation to its run: reserved once, planned against the log, put in its place, then worked on.
// Two round trips to the store precede the call of the app's handler. A new session with earlier messages needs one
// more, and so does each run that the send stops.

import { entries, versioned } from '../../protocol/entries.ts';
import { checkEntry } from '../../protocol/size.ts';
import { DurableChatError } from '../../protocol/errors.ts';
import type { Opened } from '../keep/app-history.ts';
import type { Log } from '../follow/log.ts';
import type { Session } from '../follow/session.ts';
import { messagesIn } from '../keep/reports.ts';
import { newId } from '../../lib/id.ts';
import { sleep } from '../../lib/time.ts';
import { inLine } from '../lib/in-line.ts';
import { newMessageId } from '../lib/message-id.ts';
import { patienceMs } from '../lib/retry.ts';
import type { WhenBusy } from '../options.ts';
import type { InvokeHandler } from '../run/invoke-handler.ts';
import { endRun } from '../follow/end.ts';
import { createReplyStream } from '../run/reply-stream.ts';
import { startRun } from '../run/run.ts';
import { placedRun, type PlacedRun } from '../run/turn.ts';
import type { SendSettings } from '../settings.ts';
import { attach } from './attach.ts';
import { beginSession } from './begin.ts';
import { giveBack, reserveSend, sendOf, type Reservation } from './idempotency.ts';
import { passThrough } from './passthrough.ts';
import { placeSend } from './place.ts';
import { lateResults } from './outcomes.ts';
import { planSend, type SendPlan } from './plan.ts';
import type { SendBody, SendRequest } from './send-body.ts';

/** What sends are accepted with. */
export interface Sending extends Opened {
  readonly settings: SendSettings;
  readonly waitUntil: (promise: Promise<unknown>) => void;
}

/** One POST that is a send. */
export interface Send {
  readonly request: SendRequest;
  readonly by: string | undefined;
  readonly invoke: InvokeHandler;
  /** The deadline of the request, on the monotonic clock. */
  readonly deadline: number | undefined;
}

/** The response to a send. Rejects with what the send is refused with. */
export function send(sending: Sending, { request, by, invoke, deadline }: Send): Promise<Response> {
  const { sessions, keeper, settings, waitUntil } = sending;
  const { body } = request;
  return sessions.use(body.id, async (session, extend) => {
    const { runtime } = session;
    let accepted: Accepted;
    try {
      accepted = await accept(sending, session, request, by);
    } catch (error) {
      // A continuation has outcomes, which the server cannot check while the store is down.
      const isNew = body.messages.at(-1)?.role === 'user';
      const lets = settings.onStoreDown === 'passthrough';
      if (lets && isNew && isStoreDown(error)) return passThrough(runtime, keeper, settings, body, invoke);
      throw error;
    }
    if (accepted.type === 'attach') return attach(sessions, body.id, accepted.runId, waitUntil);
    const { placed, plan } = accepted;
    const reply = createReplyStream(runtime, placed.runId);
    const { started, ended } = startRun(
      session,
      placed,
      { invoke, settings: settings.runs, deadline },
      reply,
    );
    const sent = { runId: placed.runId, ...(by !== undefined && { by }) };
    waitUntil(extend(keeper.reportMessages(session, sent, messagesIn(plan.frames))));
    // The run has reported its errors.
    waitUntil(extend(ended.then(() => keeper.report(body.id)).catch(() => {})));
    // A waiting send gets its response now. Its client gets the run from the header.
    if (placed.queued) return reply.response();
    const outcome = await started;
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
  });
}

type Accepted =
  | { readonly type: 'attach'; readonly runId: string }
  | { readonly type: 'run'; readonly placed: PlacedRun; readonly plan: SendPlan };

/** How long a send is planned again after others came first, in milliseconds. */
const placeWithinMs = 10_000;
/** The longest first pause before that, in milliseconds. */
const firstPauseMs = 10;

async function accept(
  sending: Sending,
  session: Session,
  request: SendRequest,
  by: string | undefined,
): Promise<Accepted> {
  const { runtime } = session;
  const first = await attempt(sending, session, request, by);
  if (first.type !== 'moved') return first;
  // One at a time: of several sends that have to stand directly after what they read, each one moves the others.
  return inLine(session, async () => {
    const until = runtime.monotonic() + placeWithinMs;
    for (let ceiling = firstPauseMs; ; ceiling = Math.min(1_000, ceiling * 2)) {
      const accepted = await attempt(sending, session, request, by, runtime.monotonic() > until);
      if (accepted.type !== 'moved') return accepted;
      await sleep(runtime, runtime.random() * ceiling);
    }
  });
}

/** Resolves with `moved` if the send has to be planned again: see `placeSend`. With `isLast` it is refused instead. */
async function attempt(
  { keeper, settings, waitUntil }: Sending,
  session: Session,
  request: SendRequest,
  by: string | undefined,
  isLast = false,
): Promise<Accepted | { readonly type: 'moved' }> {
  const { body } = request;
  const last = body.messages.at(-1)!; // validated as not empty
  const whenBusy = policyOf(settings, body);
  const key = sendOf(body, request.named);
  const { runtime } = session;
  const { limits, runs } = settings;
  const { leaseMs } = runs;
  for (let tries = 1; ; tries++) {
    const runId = newId(runtime);
    const reservation = { session, send: key, runId, leaseMs };
    let log: Log | undefined;
    let placing = false;
    try {
      const reserved = await reserveSend(reservation);
      if (reserved.type === 'attach') return reserved;
      ({ log } = reserved);
      if (last.role === 'assistant') await untilWritten(session, log, body, leaseMs);
      const { reports } = keeper;
      const wish = { request, key, whenBusy, by, runId, at: runtime.now(), reports };
      let messageId: string | undefined;
      if (!log.hasBegun) {
        await beginSession(session, log, body, keeper, settings, (view) => {
          messageId ??= newMessageId(settings.generateId, [...view.state.order, last.id]);
          // A refused send stores nothing, so the session does not begin with it.
          checkEntry(JSON.stringify(versioned(planSend(view, { ...wish, messageId }, limits).entry)));
        });
      }
      messageId ??= newMessageId(settings.generateId, [...log.state.order, last.id]);
      const plan = planSend(log, { ...wish, messageId }, limits);
      placing = true;
      if (await placeSend(session, log, plan, { runId, by, whenBusy }, settings)) {
        return { type: 'run', placed: placedRun(log.state, runId), plan };
      }
      if (!isLast) {
        await giveBack(reservation).catch(() => {});
        return { type: 'moved' };
      }
      throw new DurableChatError('conflict', 'Other changes came first for 10 s. Send the message again.');
    } catch (error) {
      // A send that was not accepted can be sent again. A failing store has delayed the client enough, and
      // may have stored a run that has no producer. So may a session that a newer build has written to.
      if (isStoreDown(error) || isNewer(error)) {
        waitUntil(undo(reservation, placing).catch(() => {}));
        throw error;
      }
      await giveBack(reservation).catch(() => {});
      if (tries === 1 && (await endDead(error, session, log))) continue;
      if (log) await keepLate(session, log, body, runId);
      throw error;
    }
  }
}

function isStoreDown(error: unknown): boolean {
  return error instanceof DurableChatError && error.code === 'store_failed';
}

function isNewer(error: unknown): boolean {
  return error instanceof DurableChatError && error.code === 'version';
}

/** The `whenBusy` of this send, if the app allows it. */
function policyOf(
  { whenBusy, allowWhenBusy }: Pick<SendSettings, 'whenBusy' | 'allowWhenBusy'>,
  body: SendBody,
): WhenBusy {
  if (body.whenBusy === undefined || body.whenBusy === whenBusy) return whenBusy;
  if (allowWhenBusy.includes(body.whenBusy)) return body.whenBusy;
  throw new DurableChatError(
    'forbidden',
    `This server does not allow \`whenBusy\`: '${body.whenBusy}'. The app must add it to \`allowWhenBusy\`.`,
  );
}

/**
 * A client can continue a message a moment before the log has all of it, so this waits for the run that writes
 * the message.
 */
async function untilWritten(session: Session, log: Log, body: SendBody, leaseMs: number): Promise<void> {
  const writer = log.state.active.find(({ messageId }) => messageId === body.messages.at(-1)?.id);
  if (!writer || body.trigger !== 'submit-message') return;
  await session.ready;
  await session.untilOver([writer.runId], leaseMs);
  for (const entry of await session.store.readLog(log.lastId, { fresh: true })) log.add(entry);
}

/** Keeps the outputs of a continuation that is refused. */
async function keepLate(session: Session, { state }: Log, body: SendBody, runId: string): Promise<void> {
  const frames = lateResults(state, body, newId(session.runtime));
  if (frames.length === 0) return;
  await session.append(entries.late(runId, frames), { existing: true });
}

/**
 * After a refusal: ends the active runs whose producers are dead, because perhaps no other process watches them (G6).
 * Resolves with whether it ended any. The send is then tried again.
 */
async function endDead(error: unknown, session: Session, log: Log | undefined): Promise<boolean> {
  const mayBeBusy =
    error instanceof DurableChatError && (error.code === 'conflict' || error.code === 'too_many');
  const runIds = log?.state.active.map((run) => run.runId) ?? [];
  if (!mayBeBusy || runIds.length === 0) return false;
  try {
    await session.ready;
    await session.refresh({ fresh: true });
    return await session.reap(runIds);
  } catch {
    return false;
  }
}

async function undo(reservation: Reservation, placed: boolean): Promise<void> {
  const { session, runId, send } = reservation;
  if (!placed) return session.retry(() => giveBack(reservation), patienceMs);
  const ending = { closure: { reason: 'error' }, chunks: [], send, early: true } as const;
  await endRun(session.store, runId, ending, { runtime: session.runtime });
}
