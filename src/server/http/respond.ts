// Small change of HTTP: error answers, bounded bodies, event-stream headers.

import { DurableChatError } from '../../protocol/errors.ts';
import { durableHeader } from '../../protocol/requests.ts';

export const eventStreamHeaders: Readonly<Record<string, string>> = {
  'content-type': 'text/event-stream',
  'cache-control': 'no-cache, no-store, no-transform',
  connection: 'keep-alive',
  'x-accel-buffering': 'no',
};

/** The SDK's own marker of a UI message stream. */
export const uiMessageStreamHeader = 'x-vercel-ai-ui-message-stream';

export function json(body: unknown, status = 200): Response {
  return Response.json(body, { status, headers: { 'cache-control': 'no-store' } });
}

/** The answer for anything thrown. What is not ours says nothing about itself. */
export function errorResponse(error: unknown): Response {
  const known =
    error instanceof DurableChatError
      ? error
      : new DurableChatError('handler_failed', 'Something failed on the server. Try again.');
  return json(known, known.status);
}

/** The answer as it leaves, whoever made it: kept by no cache, marked as ours, and with these headers. */
export function sealed(response: Response, headers: Readonly<Record<string, string>>): Response {
  const all = new Headers(response.headers); // a Response of the app's may not let its own be changed
  if (!all.get('cache-control')?.includes('no-store')) all.set('cache-control', 'no-store');
  all.set(durableHeader, '1');
  for (const [name, value] of Object.entries(headers)) all.set(name, value);
  const { status, statusText } = response;
  return new Response(response.body, { status, statusText, headers: all });
}

/** The request's JSON, read up to `limit` bytes; throws `too_large` or `bad_request`. */
export async function readJson(request: Request, limit: number): Promise<unknown> {
  const tooLarge = () =>
    new DurableChatError('too_large', `The body is over the limit of ${limit} bytes (limits.bodyBytes).`);
  if (Number(request.headers.get('content-length') ?? 0) > limit) throw tooLarge();
  const decoder = new TextDecoder();
  let text = '';
  let size = 0;
  if (request.body) {
    for await (const bytes of request.body) {
      size += bytes.byteLength;
      if (size > limit) throw tooLarge();
      text += decoder.decode(bytes, { stream: true });
    }
  }
  try {
    return JSON.parse(text + decoder.decode());
  } catch {
    // No cause: the parser's message quotes the body.
    throw new DurableChatError('bad_request', 'The body is not JSON.');
  }
}
