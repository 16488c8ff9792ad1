// Answers of the route that are no streams, and what every answer carries.

import { DurableChatError } from '../../protocol/errors.ts';
import { durableHeader } from '../../protocol/requests.ts';

export function json(body: unknown, status = 200): Response {
  return Response.json(body, { status, headers: { 'cache-control': 'no-store' } });
}

/** The answer for anything thrown. What is not ours says nothing about itself. */
export function errorResponse(error: unknown): Response {
  const known =
    error instanceof DurableChatError
      ? error
      : new DurableChatError('handler_failed', 'The server failed. Try again.');
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
