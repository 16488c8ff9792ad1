// A tool that a client executes runs in one client at a time: whoever holds the claim on the call. The tab that
// asked holds it while it lives; once it lets the claim run out another one takes the call over.

import { claimKey } from '../../protocol/entries.ts';
import { DurableChatError } from '../../protocol/errors.ts';
import { waitingCalls } from '../../protocol/tool-calls.ts';
import type { Session } from '../follow/session.ts';

export interface ToolClaim {
  readonly messageId: string;
  readonly toolCallId: string;
  /** Names the client, for as long as it lives. */
  readonly holder: string;
  /** How long the claim lasts unless it is made again, in milliseconds. */
  readonly ms: number;
}

/** See `SessionHandle.claim`. */
export async function claimTool(
  session: Session,
  { messageId, toolCallId, holder, ms }: ToolClaim,
): Promise<boolean> {
  await session.refresh({ fresh: true });
  const message = session.state.byId.get(messageId);
  if (!message?.parts.some((part) => 'toolCallId' in part && part.toolCallId === toolCallId)) {
    throw new DurableChatError('not_found', 'The session has no such tool call.');
  }
  // Another client has answered in the meantime: to ask is no mistake, and a browser logs every refusal.
  if (!waitingCalls(session.state).some((call) => call.toolCallId === toolCallId)) return false;
  return holds(session, { messageId, toolCallId, holder, ms });
}

/** Whether `holder` holds the call, now that it has asked; a call that nobody holds is its own. */
export async function holds(
  session: Session,
  { messageId, toolCallId, holder, ms }: ToolClaim,
): Promise<boolean> {
  return (await session.store.hold(claimKey(messageId, toolCallId), holder, ms)) === holder;
}
