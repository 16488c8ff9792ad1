// The response to a send while the store is down, with onStoreDown 'passthrough':
// the handler's stream for this client only.

import { createUIMessageStreamResponse, type UIMessage, type UIMessageChunk } from 'ai';
import type { LogFrame, MessageFrame } from '../../protocol/frames.ts';
import { applyFrames } from '../../protocol/fold.ts';
import { emptySession } from '../../protocol/session-state.ts';
import { pastOf } from './begin.ts';
import { newId } from '../../lib/id.ts';
import type { Runtime } from '../../lib/runtime.ts';
import type { Settings } from '../settings.ts';
import { newMessageId } from '../lib/message-id.ts';
import { sourceOf, withMessageId } from '../run/handler-result.ts';
import { readableHistory } from '../history/readable-history.ts';
import type { CallHandler } from '../run/call.ts';
import { createSteering } from '../run/steering.ts';
import type { SendBody } from './send-body.ts';

/** The messages that a handler reads in a session that the store does not know. */
async function historyOf(
  { loadMessages, seed }: Pick<Settings, 'loadMessages' | 'seed'>,
  { id, messages, changes }: SendBody,
  messageId: string,
): Promise<UIMessage[]> {
  const kept = await loadMessages?.({ sessionId: id });
  const past: MessageFrame[] = loadMessages
    ? (kept ?? []).map((message) => ({ type: 'message', message }))
    : pastOf(seed, messages);
  const removed = new Set(changes?.removed);
  const left = past.filter(({ message }) => !removed.has(message.id));
  const last = messages.slice(-1).map((message): MessageFrame => ({ type: 'message', message }));
  const start: LogFrame = { type: 'run-start', runId: '', messageId, trigger: 'submit-message', at: 0 };
  return readableHistory(applyFrames(emptySession, [...left, ...last, start]), messageId);
}

/** Rejects with the handler's error, or with `handler_result`. */
export async function passThrough(
  runtime: Runtime,
  settings: Pick<Settings, 'loadMessages' | 'seed' | 'generateId' | 'onEvent'>,
  body: SendBody,
  call: CallHandler,
): Promise<Response> {
  const runId = newId(runtime);
  settings.onEvent({ type: 'passthrough', sessionId: body.id, runId });
  const ids = body.messages.map(({ id }) => id);
  const messageId = newMessageId(settings, ids);
  const session = { state: emptySession, onChange: () => () => {}, append: async () => [] };
  const { run } = createSteering(session, { runId, messageId });
  // Only its reader can end it, by leaving.
  const leaving = new AbortController();
  const history = await historyOf(settings, body, messageId);
  const source = sourceOf(await call(run, history, leaving.signal));
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
