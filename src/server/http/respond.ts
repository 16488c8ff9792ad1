// JSON responses, and the headers of every response.

import type { Runtime } from '../../lib/runtime.ts';
import { within } from '../../lib/time.ts';
import { DurableChatError } from '../../protocol/errors.ts';
import { durableHeader, formatVersion } from '../../protocol/requests.ts';

/** A JSON response that no cache keeps. */
export function json(body: unknown, status = 200): Response {
  return Response.json(body, { status, headers: { 'cache-control': 'no-store' } });
}

/** The response for a thrown value. Only a DurableChatError shows its message. */
export function errorResponse(error: unknown): Response {
  const known = error instanceof DurableChatError ? error : unknownError();
  return json(known, known.status);
}

/** The same error for a frame. `onUnknown` is called with an error that is not a DurableChatError. Does not reject. */
export async function errorOf(
  thrown: unknown,
  runtime: Runtime,
  onUnknown: (error: unknown) => void,
): Promise<DurableChatError> {
  if (thrown instanceof DurableChatError) return thrown;
  if (thrown instanceof Response) return errorOfStatus(thrown.status, await shortTextOf(thrown, runtime));
  if (isFrameworkResponse(thrown))
    return new DurableChatError('forbidden', 'The app refused the request. Reload the page.');
  onUnknown(thrown);
  return unknownError();
}

/** How long the body of a refusal is read, in milliseconds, and up to which size. A body of ours is far smaller. */
const readWithinMs = 1_000;
const maxReadBytes = 16_384;

/** The body of the app's Response; empty if it breaks off, is too long, or does not end in time. Does not reject. */
async function shortTextOf({ body }: Response, runtime: Runtime): Promise<string> {
  let reader: ReadableStreamDefaultReader<Uint8Array> | undefined;
  const read = async () => {
    reader = body?.getReader();
    const decoder = new TextDecoder();
    let text = '';
    for (let size = 0; reader && size <= maxReadBytes;) {
      const { done, value } = await reader.read();
      if (done) return text + decoder.decode();
      size += value.byteLength;
      text += decoder.decode(value, { stream: true });
    }
    return '';
  };
  try {
    return (await within(runtime, readWithinMs, read())) ?? '';
  } catch {
    return '';
  } finally {
    reader?.cancel().catch(() => {});
  }
}

/** A frame has no status, so the code says whether the viewer can try again. */
function errorOfStatus(status: number, body: string): DurableChatError {
  const error = DurableChatError.parse(status, body);
  if (error) return error;
  if (status < 400) return new DurableChatError('forbidden', `The app redirects the request (${status}).`);
  const text = `The app refused the request (${status}). Try again later.`;
  if (status === 408 || status === 425) return new DurableChatError('too_many', text, { status });
  if (status > 500) return new DurableChatError('store_failed', text, { status });
  return DurableChatError.fromBody(status, body);
}

/**
 * What a Response of the app's `authorize` refuses with: itself, as the app may return the same one again, or an error if
 * it cannot be sent or refuses nothing.
 */
export function refusalOf(response: Response): Response | Error {
  const { status, bodyUsed, body } = response;
  if (status === 0)
    return new Error('`authorize` returned a Response with status 0, such as Response.error().');
  if (status < 300)
    return new DurableChatError('forbidden', 'The app refused the request, with a status of success.');
  // The body was sent with an earlier refusal.
  if (bodyUsed || body?.locked) return errorOfStatus(status, '');
  return response.clone();
}

/** Whether a framework throws this to respond, such as Next's redirect(). */
export function isFrameworkResponse(error: unknown): boolean {
  return error instanceof Error && 'digest' in error;
}

function unknownError(): DurableChatError {
  return new DurableChatError('handler_failed', 'The server failed. Try again.');
}

/** The final response: not cached, marked with `x-durable-chat`, and with these headers. */
export function sealed(response: Response, headers: Readonly<Record<string, string>>): Response {
  const all = new Headers(response.headers); // the headers of the app's Response can be immutable
  if (!all.get('cache-control')?.includes('no-store')) all.set('cache-control', 'no-store');
  all.set(durableHeader, String(formatVersion));
  for (const [name, value] of Object.entries(headers)) all.set(name, value);
  const { status, statusText } = response;
  return new Response(response.body, { status, statusText, headers: all });
}
