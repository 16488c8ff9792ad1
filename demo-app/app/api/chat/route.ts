import { convertToModelMessages, createUIMessageStreamResponse, streamText, toUIMessageStream } from 'ai';
import { model } from '../../../lib/model';

export async function POST(req: Request): Promise<Response> {
  const { messages } = await req.json();
  const result = streamText({
    model: model(),
    messages: await convertToModelMessages(messages),
    abortSignal: req.signal,
  });
  return createUIMessageStreamResponse({ stream: toUIMessageStream({ stream: result.stream }) });
}
