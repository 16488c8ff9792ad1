// The outcome of a tool call that waits for a client. The log records it, and the first outcome counts.

import type { UIMessage } from 'ai';
import { DurableChatError } from '../../protocol/errors.ts';
import { entries, type LogEntry } from '../../protocol/entries.ts';
import type { ToolOutcome } from '../../protocol/frames.ts';
import { isPassed } from '../../protocol/session-state.ts';
import { kindOf, toolPartsOf, waitsFor, withOutcome } from '../../protocol/tool-calls.ts';
import { takeClaim } from './claim-tool.ts';
import type { Session } from '../follow/session.ts';
import { Log } from '../follow/log.ts';
import { newId } from '../../lib/id.ts';

/** Which call gets which outcome, and from whom. */
export interface ToolOutcomeOptions {
  /** The message that has the call. It can still be being written. */
  readonly messageId: string;
  /** The call, in that message. */
  readonly toolCallId: string;
  /** An output, an error, or the response to an approval. */
  readonly outcome: ToolOutcome;
  /** Identifies the outcome, so that a repetition is the same outcome. Default: a new id. */
  readonly outcomeId?: string;
  /** The client that executes the tool. The outcome is refused once another client has taken over the call. */
  readonly holder?: string;
  /** The user that the log records for the outcome. */
  readonly by?: string;
}

/** How long to wait for a call whose outcome a client sends before the call is in the log. */
const appearWithinMs = 3_000;
/** While the log takes an outcome, no other client takes over the call. */
const appendWithinMs = 10_000;

/** See `SessionHandle.addToolOutcome`. */
export async function addToolOutcome(
  session: Session,
  { messageId, toolCallId, outcome, outcomeId = newId(session.runtime), holder, by }: ToolOutcomeOptions,
): Promise<UIMessage | undefined> {
  await session.refresh({ fresh: true });
  const kind = kindOf(outcome);
  const made = { messageId, toolCallId, outcome, outcomeId, ...(by !== undefined && { by }) };
  const entry = entries.toolOutcome(made);
  if (session.log.hasKey(entry.key)) return whatCame(new Log(), session.log.entries);
  await findCall(session, { messageId, toolCallId, outcome });
  if (kind === 'approval' && isPassed(session.state, messageId)) {
    throw new DurableChatError(
      'conflict',
      'The conversation has continued after that message, so its tool call is no longer executed. Send a new message instead.',
    );
  }
  const known = session.state.byId.get(messageId);
  if (known && !isWritten(session, messageId) && withOutcome(known, toolCallId, outcome) === known)
    throw notWaitingError();

  const ms = appendWithinMs;
  if (holder !== undefined && !(await takeClaim(session, { messageId, toolCallId, holder, ms }))) {
    throw new DurableChatError(
      'conflict',
      'Another client has taken over the tool call. The outcome of that client counts. Discard this one.',
    );
  }
  const before = session.log.copy();
  const where = { after: before.lastId, existing: true };
  return whatCame(before, await session.append(entry, where));

  /** The message with this outcome, once the log has it. Throws if the call no longer waited. */
  function whatCame(log: Log, read: readonly LogEntry[]): UIMessage | undefined {
    let counts = false;
    for (const added of read) {
      const { state } = log;
      log.add(added);
      // An outcome that comes too late changes nothing.
      counts = added.key === entry.key && log.state !== state;
      if (added.key === entry.key) break;
    }
    if (!counts) throw notWaitingError();
    return isWritten(log, messageId) ? undefined : log.state.byId.get(messageId);
  }
}

function notWaitingError(): DurableChatError {
  return new DurableChatError(
    'conflict',
    'The tool call does not wait for this outcome, or already has one. The first outcome counts: read it from the session.',
  );
}

function isWritten({ state }: Pick<Session, 'state'>, messageId: string): boolean {
  return state.active.some((run) => run.messageId === messageId);
}

/**
 * Waits for a call of a message that is being written. Throws `not_found` if it does not come. A model can use the id
 * of a call again that has its outcome.
 */
async function findCall(
  session: Session,
  { messageId, toolCallId, outcome }: Pick<ToolOutcomeOptions, 'messageId' | 'toolCallId' | 'outcome'>,
): Promise<void> {
  const isThere = () => {
    const message = session.state.byId.get(messageId);
    const parts = message ? toolPartsOf(message).filter((part) => part.toolCallId === toolCallId) : [];
    return isWritten(session, messageId) ? parts.some((part) => waitsFor(part, outcome)) : parts.length > 0;
  };
  if (isThere()) return;
  const runId = session.state.active.find((active) => active.messageId === messageId)?.runId;
  if (runId !== undefined) {
    await session.watch();
    let read = 0;
    let found = false;
    const look = () => {
      const chunks = session.knownChunksOf(runId);
      while (read < chunks.length && !found) {
        const chunk = chunks[read++]!;
        found = chunk.type === 'tool-input-available' && chunk.toolCallId === toolCallId;
      }
      return found || isThere() || undefined;
    };
    if (await session.until(look, { ms: appearWithinMs })) return;
  }
  throw new DurableChatError(
    'not_found',
    'The session has no such tool call. Check `messageId` and `toolCallId`.',
  );
}
