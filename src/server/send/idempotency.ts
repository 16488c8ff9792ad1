// One send is one run, however often it is posted (G5). The request that reserves it first makes the run, and
// the others wait for that. A request that fails releases its reservation.

import type { UIMessage } from 'ai';
import { digest } from '../../protocol/cursor.ts';
import { sendKeys } from '../../protocol/entries.ts';
import { continues } from '../../protocol/requests.ts';
import { DurableChatError } from '../../protocol/errors.ts';
import type { RunStartFrame, EndedRun } from '../../protocol/frames.ts';
import { isFailedStart, type SessionState } from '../../protocol/session-state.ts';
import { sleep } from '../../lib/time.ts';
import { appears } from './attach.ts';
import { toolPartsOf } from '../../protocol/tool-calls.ts';
import type { Session } from '../follow/session.ts';
import { Log } from '../follow/log.ts';
import { contentOf } from './plan.ts';
import type { SendBody } from './send-body.ts';
import { takenError } from './refusals.ts';

/** What makes two sends the same. */
export type SendKey = NonNullable<RunStartFrame['send']>;

/**
 * The key under which a send is reserved (G5). A continuation is identified by what it continues. A
 * client can name any other send. Without a name, a new message identifies itself, and a regeneration is identified by its
 * content, until its run ends.
 */
export function sendOf(body: SendBody, named: string | null): SendKey {
  const last = body.messages.at(-1)!; // validated as not empty
  if (continues(body, last)) {
    // A continuation adds only its outcomes to the log, so the rest of its content does not count.
    const key = sendKeys.continuation(last.id, statesOf(last));
    return { key, once: false, ...(named !== null && { named }) };
  }
  if (named !== null) return { key: sendKeys.named(named), once: true };
  if (body.trigger === 'submit-message' && body.messageId === undefined) {
    return { key: sendKeys.message(last.id), once: true, content: digest(contentOf(last)) };
  }
  return { key: sendKeys.change(body.trigger, body.messageId, last), once: false };
}

function statesOf(message: UIMessage): unknown {
  return toolPartsOf(message).map(({ toolCallId, state }) => [toolCallId, state]);
}

/** A request that tries to make a send into a run. */
export interface Reservation {
  readonly session: Session;
  readonly send: SendKey;
  /** The run that it becomes if this request gets the reservation. */
  readonly runId: string;
  readonly leaseMs: number;
}

/** How long a send waits for another request that accepts the same one. */
const acceptWithinMs = 10_000;
/** How often it checks whether that request has failed. */
const lookAgainMs = 1_000;
/** The pause before it tries to get the reservation of a request that has failed. */
const releasedSoonMs = 50;

/**
 * Reserves the send for this request, with the log at that moment, unless it is a run already. Throws `conflict` if
 * another request has the reservation and does not make a run.
 */
export async function reserveSend(
  reservation: Reservation,
): Promise<
  { readonly type: 'attach'; readonly runId: string } | { readonly type: 'ours'; readonly log: Log }
> {
  const { session, send, runId, leaseMs } = reservation;
  const { runtime } = session;
  for (const until = runtime.monotonic() + acceptWithinMs; ;) {
    const { runId: holder, entries } = await session.retry(() => session.store.reserve(send.key, runId));
    const log = new Log();
    for (const entry of entries) log.add(entry);
    const known = runOfSend(log, send);
    if (known !== undefined) return { type: 'attach', runId: known };
    if (holder === runId) return { type: 'ours', log };
    const isStopping = log.state.active.some((active) => active.runId === holder && active.stop);
    // The same send again while its first run is being stopped.
    if (isStopping) {
      await session.ready;
      await session.untilOver([holder], leaseMs);
    } else if ((await becomes(session, send, holder)) && !hasFailed(session.state, holder)) {
      return { type: 'attach', runId: holder };
    } else if (runtime.monotonic() > until) {
      throw new DurableChatError(
        'conflict',
        'Another request is accepting the same send. Try again in a minute.',
      );
    }
    // The other request has ended the run, or has failed. It releases the reservation next, if it has not yet.
    await sleep(runtime, releasedSoonMs);
  }
}

/** Waits a little until the log shows whether the send became this run. Throws `conflict` like `runOfSend`. */
async function becomes(session: Session, send: SendKey, runId: string): Promise<boolean> {
  if (!(await appears(session, runId, lookAgainMs))) return false;
  for (const frame of session.log.entries.flatMap(({ frames }) => frames)) {
    if (frame.type === 'run-start' && frame.runId === runId) checkContent(frame.send, send);
  }
  return true;
}

/** A message with equal content is the same send. */
function checkContent(known: RunStartFrame['send'], { content }: SendKey): void {
  if (known?.content !== undefined && content !== undefined && known.content !== content) throw takenError();
}

/**
 * The run of a send, if the log has one that is still valid for it. Throws `conflict` if that run
 * answers a message with the same id and other content.
 */
export function runOfSend({ entries, state }: Log, send: SendKey): string | undefined {
  for (const frame of entries.flatMap(({ frames }) => frames)) {
    if (frame.type !== 'run-start' || !frame.send) continue;
    const isNamed = frame.send.named !== undefined && frame.send.named === send.named;
    if (!isNamed && frame.send.key !== send.key) continue;
    const { runId } = frame;
    const lasts = isNamed || frame.send.once;
    const active = state.active.find((one) => one.runId === runId);
    const end = state.ended.get(runId);
    const stands = active ? lasts || !active.stop : end && lasts && !cameToNothing(end);
    if (!stands) continue;
    if (!isNamed) checkContent(frame.send, send);
    return runId;
  }
  return undefined;
}

function hasFailed({ ended }: SessionState, runId: string): boolean {
  const end = ended.get(runId);
  return end !== undefined && cameToNothing(end);
}

/** If another run took the message, the answer is in that run. */
function cameToNothing({ reason, chunks, withdrawn, steered }: EndedRun): boolean {
  return steered ? false : withdrawn === true || isFailedStart(reason, chunks);
}

/** Releases the reservation if this request still has it. */
export async function giveBack({ session, send: { key }, runId }: Reservation): Promise<void> {
  const { runId: holder } = await session.store.reserve(key, runId);
  if (holder === runId) await session.store.release(key);
}
