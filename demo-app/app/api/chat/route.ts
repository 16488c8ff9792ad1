// An ordinary AI SDK chat route, wrapped.
import {
  convertToModelMessages,
  createUIMessageStreamResponse,
  isStepCount,
  streamText,
  toUIMessageStream,
} from 'ai';
import { durableRoute } from 'durable-chat/next';
import { model } from '../../../lib/model';
import { tools } from '../../../lib/tools';

export const { GET, POST, DELETE } = durableRoute(
  async (req, { run }) => {
    const { messages } = await req.json();
    const result = streamText({
      model: model(),
      messages: await convertToModelMessages(messages, { tools }),
      tools,
      toolApproval: { book: 'user-approval' },
      stopWhen: isStepCount(5),
      experimental_steering: run.steering,
      abortSignal: req.signal,
    });
    return createUIMessageStreamResponse({ stream: toUIMessageStream({ stream: result.stream }) });
  },
  {
    // Anyone who knows a chat's link may read and write it. A real app checks the user.
    authorize: () => true,
    // By default a send waits for its turn. A client may ask for these instead.
    allowWhenBusy: ['interrupt', 'steer'],
  },
);
