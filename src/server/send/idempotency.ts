// One send is one run, however often it is posted (G5): the request that reserves it first makes it into one, and
// the others wait for that; a request that fails gives its reservation back.

import type { UIMessage } from 'ai';
import { digest } from '../../protocol/cursor.ts';
import { sendKeys } from '../../protocol/entries.ts';
import { continues } from '../../protocol/requests.ts';
import { DurableChatError } from '../../protocol/errors.ts';
import type { RunStartFrame, EndedRun } from '../../protocol/frames.ts';
import { isFailedStart } from '../../protocol/session-state.ts';
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
 * The name under which a send is claimed (G5). A continuation is named by what it continues. Anything else a
 * client can name; where it does not, a new message names itself, and asking again for an answer is named by its
 * content, as long as its run.
 */
export function sendOf(body: SendBody, named: string | null): SendKey {
  const last = body.messages.at(-1)!; // validated as not empty
  if (continues(body, last)) {
    // What a continuation adds to the log is its outcomes; all else in it is how its client happens to spell it.
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

export interface Reservation {
  readonly session: Session;
  readonly send: SendKey;
  /** What it becomes, if the reservation is ours. */
  readonly runId: string;
  readonly leaseMs: number;
}

/** How long a send waits for another request that accepts the same one. */
const acceptWithinMs = 10_000;
/** How often it looks whether that one has given up. */
const lookAgainMs = 1_000;

/**
 * Makes the send this request's own, with the log as it is then, unless it is a run already. Throws `conflict` when
 * somebody else has it and makes nothing of it.
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
    // The same wish again, while what it became the first time is being stopped.
    if (isStopping) {
      await session.ready;
      await session.untilOver([holder], leaseMs);
    } else if (await becomes(session, send, holder)) {
      return { type: 'attach', runId: holder };
    } else if (runtime.monotonic() > until) {
      throw new DurableChatError(
        'conflict',
        'Another request is accepting the same send. Try again in a minute.',
      );
    }
    // Whoever had it has ended it, or may have failed and given it back.
  }
}

/** Whether the send turns out to have become this run, before long. Throws `conflict` as `runOfSend` does. */
async function becomes(session: Session, send: SendKey, runId: string): Promise<boolean> {
  if (!(await appears(session, runId, lookAgainMs))) return false;
  for (const frame of session.log.entries.flatMap(({ frames }) => frames)) {
    if (frame.type === 'run-start' && frame.runId === runId) checkContent(frame.send, send);
  }
  return true;
}

/** A message is the same send again when it says the same. */
function checkContent(known: RunStartFrame['send'], { content }: SendKey): void {
  if (known?.content !== undefined && content !== undefined && known.content !== content) throw takenError();
}

/**
 * The run that a send became, if the log knows of one that still stands for it. Throws `conflict` where that run
 * answers a message which has the id of this one and says something else.
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

/** A run that another one took its message from is answered there. */
function cameToNothing({ reason, chunks, withdrawn, steered }: EndedRun): boolean {
  return steered ? false : withdrawn === true || isFailedStart(reason, chunks);
}

/** Gives a reservation back that may have become somebody else's, or may never have been ours. */
export async function giveBack({ session, send: { key }, runId }: Reservation): Promise<void> {
  const { runId: holder } = await session.store.reserve(key, runId);
  if (holder === runId) await session.store.release(key);
}
