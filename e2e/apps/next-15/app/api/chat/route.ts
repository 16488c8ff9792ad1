import { convertToModelMessages, streamText } from 'ai';
import { durableRoute } from 'durable-chat/next';
import { scriptedModel } from 'durable-chat/testing';

export const { GET, POST, DELETE } = durableRoute(
  async (req) => {
    const { messages } = await req.json();
    const result = streamText({
      model: scriptedModel(),
      messages: await convertToModelMessages(messages),
      abortSignal: req.signal,
    });
    return result.toUIMessageStreamResponse();
  },
  { authorize: () => true },
);
