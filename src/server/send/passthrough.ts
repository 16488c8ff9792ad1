// The response to a send while the store is down, with onStoreDown 'passthrough':
// the handler's stream for this client only.

import { createUIMessageStreamResponse, type UIMessage, type UIMessageChunk } from 'ai';
import type { LogFrame, MessageFrame } from '../../protocol/frames.ts';
import { applyFrames } from '../../protocol/fold.ts';
import { emptySession, type SessionState } from '../../protocol/session-state.ts';
import { pastOf } from './begin.ts';
import { newId } from '../../lib/id.ts';
import type { Runtime } from '../../lib/runtime.ts';
import type { SendSettings } from '../settings.ts';
import { newMessageId } from '../lib/message-id.ts';
import { sourceOf, withMessageId } from '../run/handler-result.ts';
import { readableHistory } from '../history/readable-history.ts';
import type { Keeper } from '../keep/app-history.ts';
import type { Seed } from '../options.ts';
import type { InvokeHandler } from '../run/invoke-handler.ts';
import { createSteering } from '../run/steering.ts';
import { isEdited } from './plan.ts';
import type { SendBody } from './send-body.ts';

/** The messages that a handler reads in a session that the store does not know. */
async function historyOf(
  keeper: Keeper,
  seed: Seed,
  body: SendBody,
  messageId: string,
): Promise<UIMessage[]> {
  const { id, messages, changes, trigger } = body;
  const last = messages.at(-1)!; // validated as not empty
  const past: MessageFrame[] = keeper.hasHistory
    ? (await keeper.load(id)).map((message) => ({ type: 'message', message }))
    : pastOf(seed, messages);
  const removed = new Set(changes?.removed);
  // The send itself says what becomes of its last message.
  const left = past.filter(({ message }) => message.id === last.id || !removed.has(message.id));
  const before = applyFrames(emptySession, left);
  const edited = (changes?.edited ?? [])
    .filter((message) => message.id !== last.id && before.byId.get(message.id)?.role === 'user')
    .map((message): MessageFrame => ({ type: 'message', message }));
  const state = applyFrames(before, edited);
  const target = firstDropped(state, body, last);
  const frames: LogFrame[] = [
    ...(target === undefined ? [] : [{ type: 'truncate', messageId: target } as const]),
    { type: 'message', message: last },
    { type: 'run-start', runId: '', messageId, trigger, at: 0 },
  ];
  return readableHistory(applyFrames(state, frames), messageId);
}

/** The first message that the send removes or replaces, as in the log. What the app does not have is no conflict here. */
function firstDropped(state: SessionState, body: SendBody, last: UIMessage): string | undefined {
  const index = state.order.indexOf(last.id);
  if (body.trigger === 'submit-message') return state.order[index];
  const { messageId } = body;
  const isAnswer = messageId !== undefined && state.byId.get(messageId)?.role === 'assistant';
  if (isAnswer && !isEdited(state, last)) return messageId;
  return index === -1 ? undefined : state.order[index + 1];
}

/** Rejects with the handler's error, or with `handler_result`. */
export async function passThrough(
  runtime: Runtime,
  keeper: Keeper,
  { seed, generateId, runs }: Pick<SendSettings, 'seed' | 'generateId' | 'runs'>,
  body: SendBody,
  invoke: InvokeHandler,
): Promise<Response> {
  const runId = newId(runtime);
  runs.onEvent({ type: 'passthrough', sessionId: body.id, runId });
  const ids = body.messages.map(({ id }) => id);
  const messageId = newMessageId(generateId, ids);
  const session = { state: emptySession, isReadable: true, onChange: () => () => {}, append: async () => [] };
  const { run } = createSteering(session, { runId, messageId });
  // Only its reader can end it, by leaving.
  const leaving = new AbortController();
  const history = await historyOf(keeper, seed, body, messageId);
  const source = sourceOf(await invoke(run, history, leaving.signal));
  if (source.type === 'refusal') return source.response;

  const stamp = withMessageId(messageId);
  const reader = source.chunks.getReader();
  const stream = new ReadableStream<UIMessageChunk>({
    async pull(controller) {
      const { done, value } = await reader.read();
      if (done) controller.close();
      else for (const chunk of stamp(value)) controller.enqueue(chunk);
    },
    async cancel() {
      leaving.abort();
      await reader.cancel();
    },
  });
  const headers = new Headers(source.headers);
  for (const name of ['content-length', 'content-encoding']) headers.delete(name);
  return createUIMessageStreamResponse({ stream, headers });
}
