// A client tool runs in one client at a time: the one that has the claim on the call. The tab that
// started the run renews its claim. Once the claim has ended, another tab takes over the call.

import { DurableChatError } from '../../protocol/errors.ts';
import { claimKey, waitingCalls } from '../../protocol/tool-calls.ts';
import type { Session } from '../follow/session.ts';

/** Which call is claimed, by whom and for how long. */
export interface ToolClaim {
  /** The message that has the call. */
  readonly messageId: string;
  /** The call, in that message. */
  readonly toolCallId: string;
  /** Identifies the client for its lifetime. */
  readonly holder: string;
  /** How long the claim lasts unless it is renewed, in milliseconds. */
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
    throw new DurableChatError('not_found', 'The session has no such tool call. Do not execute it.');
  }
  // Another client has given its outcome meanwhile. That is not an error of this client, and browsers log every refusal.
  if (!waitingCalls(session.state).some((call) => call.toolCallId === toolCallId)) return false;
  return takeClaim(session, { messageId, toolCallId, holder, ms });
}

/** Claims the call for `holder`. Resolves with whether `holder` now has the claim. */
export async function takeClaim(
  session: Session,
  { messageId, toolCallId, holder, ms }: ToolClaim,
): Promise<boolean> {
  return (await session.store.claim(claimKey(messageId, toolCallId), holder, ms)) === holder;
}
