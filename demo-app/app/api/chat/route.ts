// An ordinary AI SDK chat route, wrapped.
import { convertToModelMessages, createUIMessageStreamResponse, streamText, toUIMessageStream } from 'ai';
import { durableRoute } from 'durable-chat/next';
import { model } from '../../../lib/model';

export const { GET, POST, DELETE } = durableRoute(
  async (req) => {
    const { messages } = await req.json();
    const result = streamText({
      model: model(),
      messages: await convertToModelMessages(messages),
      abortSignal: req.signal,
    });
    return createUIMessageStreamResponse({ stream: toUIMessageStream({ stream: result.stream }) });
  },
  // Anyone who knows a chat's link may read and write it. A real app asks who is asking.
  { authorize: () => true },
);
