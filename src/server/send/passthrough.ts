// The answer to a send that the store cannot take, where the app would rather have one that is not durable than
// none: the handler's own stream, for this one client.

import { createUIMessageStreamResponse, type UIMessage, type UIMessageChunk } from 'ai';
import { emptySession } from '../../protocol/session-state.ts';
import type { Channel } from '../../channel/channel.ts';
import { newId } from '../lib/id.ts';
import type { HandlerRun } from '../options.ts';
import type { Settings } from '../settings.ts';
import { newMessageId } from './message-id.ts';
import { sourceOf, withMessageId } from '../run/handler-result.ts';
import { createSteering, withSteering } from '../run/steering.ts';

export interface PassThroughOptions {
  readonly channel: Channel;
  readonly settings: Settings;
  readonly body: { readonly id: string; readonly messages: readonly UIMessage[] };
  readonly call: (run: HandlerRun, history: readonly UIMessage[], signal: AbortSignal) => Promise<unknown>;
}

/** Rejects as the handler does, and with `handler_result`. */
export async function passThrough({ channel, settings, body, call }: PassThroughOptions): Promise<Response> {
  const run = newId();
  settings.onEvent({ type: 'passthrough', sessionId: body.id, run });
  const last = body.messages.at(-1);
  const messageId =
    last?.role === 'assistant'
      ? last.id
      : newMessageId(
          settings,
          body.messages.map(({ id }) => id),
        );
  const hub = { state: emptySession, onChange: () => () => {} };
  const { steered } = createSteering({ channel, hub, session: body.id, run });
  // Nobody but its reader can end it, by leaving.
  const leaving = new AbortController();
  const source = sourceOf(await call(withSteering(run, messageId, steered), body.messages, leaving.signal));
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
