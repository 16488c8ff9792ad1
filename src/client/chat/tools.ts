// Outcomes of tool calls between a Chat and its session: first recorded in the log, then shown.

import type { AbstractChat, UIMessage } from 'ai';
import type { ToolOutcome } from '../../protocol/frames.ts';
import { toolPartsOf } from '../../protocol/tool-calls.ts';
import type { Core } from '../core.ts';
import { unreachable } from '../network/network-failure.ts';
import { connectUntil, isPlainRoute } from '../sends/plain-route.ts';
import { sendWithinMs } from '../sends/stop.ts';
import { ownFunctions } from './own-functions.ts';
import { setOwnMessages } from '../list/set-messages.ts';

type Outputs = Parameters<AbstractChat<UIMessage>['addToolOutput']>[0];
type Approvals = Parameters<AbstractChat<UIMessage>['addToolApprovalResponse']>[0];

/** The chat's two functions for tool outcomes, through the session. */
export interface Tools {
  addToolOutput(output: Outputs): Promise<void>;
  addToolApprovalResponse(response: Approvals): Promise<void>;
  /** Whether the chat is processing an outcome of this tab. */
  readonly isApplying: boolean;
  /** Whether an outcome that was given here is on its way to the chat. */
  readonly isWaiting: boolean;
}

/**
 * The chat's two functions through the session: the first outcome counts, and it reaches every viewer. An
 * outcome that came too late goes to `onError`, and the chat then shows the outcome that counts. If the server is
 * not durable, they are the chat's own functions.
 */
export function bindTools<M extends UIMessage>(
  chat: AbstractChat<M>,
  core: Core,
  onError: (error: Error) => void,
): Tools {
  let applying = 0;
  let waiting = 0;

  async function add(...given: Parameters<typeof record>): Promise<void> {
    waiting++;
    try {
      await record(...given);
    } finally {
      waiting--;
      core.store.notify();
    }
  }

  function isKnown(): boolean {
    const { state, connection } = core.store.getSnapshot();
    return state !== undefined || isPlainRoute(core) || connection === 'closed';
  }

  async function record(
    find: (tool: ReturnType<typeof toolPartsOf>[number]) => boolean,
    outcome: ToolOutcome,
    apply: () => void | PromiseLike<void>,
  ): Promise<void> {
    // The first snapshot would undo what only the chat knows.
    if (!isKnown()) await connectUntil(core, isKnown, { ms: sendWithinMs });
    const shown = chat.messages.find((message) => toolPartsOf(message).some(find));
    const tool = shown && toolPartsOf(shown).find(find);
    if (shown && tool && !isPlainRoute(core)) {
      const { state, error } = core.store.getSnapshot();
      if (!state) return onError(error ?? unreachable());
      try {
        const { toolCallId } = tool;
        const message = await core.addToolOutcome({ messageId: shown.id, toolCallId, outcome });
        // The message with the outcomes of others, and our own call still waiting, which the chat itself completes.
        if (message) replaceMessage(chat, withWaiting(message as M, shown, toolCallId));
      } catch (error) {
        return onError(error as Error); // requests reject only with errors
      }
    }
    applying++;
    try {
      await apply();
    } finally {
      applying--;
    }
  }

  return {
    get isApplying() {
      return applying > 0;
    },
    get isWaiting() {
      return waiting > 0;
    },
    addToolOutput: (given) =>
      add(
        ({ toolCallId }) => toolCallId === given.toolCallId,
        given.state === 'output-error'
          ? { state: given.state, errorText: given.errorText }
          : { state: 'output-available', output: given.output },
        () => ownFunctions(chat).addToolOutput(given),
      ),
    addToolApprovalResponse: (given) =>
      add(
        ({ approval }) => approval?.id === given.id,
        {
          state: 'approval-responded',
          approved: given.approved,
          ...(given.reason !== undefined && { reason: given.reason }),
        },
        () => ownFunctions(chat).addToolApprovalResponse(given),
      ),
  };
}

/** Puts an outcome into a message that the chat is writing. */
export async function applyOutcome<M extends UIMessage>(
  chat: AbstractChat<M>,
  message: M,
  toolCallId: string,
  outcome: ToolOutcome,
): Promise<void> {
  if (outcome.state === 'approval-responded') {
    const tool = toolPartsOf(message).find((part) => part.toolCallId === toolCallId);
    const { state: _, ...decision } = outcome;
    if (tool?.approval)
      await ownFunctions(chat).addToolApprovalResponse({ id: tool.approval.id, ...decision });
    return;
  }
  // The chat requires the tool's name and does not use it.
  await ownFunctions(chat).addToolOutput({ tool: '', toolCallId, ...outcome });
}

function replaceMessage<M extends UIMessage>(chat: AbstractChat<M>, message: M): void {
  const messages = chat.messages.map((shown) => (shown.id === message.id ? message : shown));
  setOwnMessages(chat, messages);
}

function withWaiting<M extends UIMessage>(message: M, waiting: M, toolCallId: string): M {
  const own = waiting.parts.find((part) => 'toolCallId' in part && part.toolCallId === toolCallId);
  const parts = message.parts.map((part) =>
    'toolCallId' in part && part.toolCallId === toolCallId ? (own ?? part) : part,
  );
  return { ...message, parts };
}
