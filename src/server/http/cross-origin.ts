// Requests from pages of other sites. Browsers send the visitor's cookies with them, so they are refused before
// anything else. A request without an origin does not come from a browser.

import { DurableChatError } from '../../protocol/errors.ts';
import { durableHeader, runHeader } from '../../protocol/requests.ts';

/**
 * The CORS headers for a response to this request: none, unless the page belongs to one of
 * the `allowed` origins. Throws `forbidden` for any other page of another site.
 */
export function corsHeaders(request: Request, allowed: readonly string[]): Record<string, string> {
  const origin = request.headers.get('origin');
  if (origin !== null && allowed.includes(origin)) {
    return {
      'access-control-allow-origin': origin,
      'access-control-allow-credentials': 'true',
      'access-control-expose-headers': `${runHeader}, ${durableHeader}`,
      vary: 'origin',
    };
  }
  if (isOwn(request, origin)) return {};
  throw new DurableChatError(
    'forbidden',
    'The request comes from a page of another site. If that site is yours, add its origin to `allowedOrigins`.',
  );
}

function isOwn({ headers, url }: Request, origin: string | null): boolean {
  // `Sec-Fetch-Site` is the browser's own result, which does not depend on a proxy. A sibling subdomain counts as
  // another site, because another party may serve it.
  const site = headers.get('sec-fetch-site');
  if (site !== null) return site === 'same-origin' || site === 'none';
  if (origin === null) return true;
  // Behind a proxy, the browser's host is the forwarded one. A page can set these headers only if
  // a preflight allows it. The scheme is not compared, because only the proxy knows it.
  const named = headers.get('x-forwarded-host') ?? headers.get('host') ?? new URL(url).host;
  if (!URL.canParse(origin)) return false;
  const { protocol, host } = new URL(origin);
  // Parsed too, so that a default port equals no port.
  const own = `${protocol}//${named.split(',')[0]?.trim()}`;
  return URL.canParse(own) && new URL(own).host === host;
}

/** The response to a preflight with these `corsHeaders`. */
export function preflight(request: Request, cors: Record<string, string>): Response {
  const asked = request.headers.get('access-control-request-headers');
  const methods = 'GET, POST, DELETE';
  return new Response(null, {
    status: 204,
    headers: {
      allow: `${methods}, OPTIONS`,
      ...('access-control-allow-origin' in cors && {
        'access-control-allow-methods': methods,
        'access-control-max-age': '600',
        ...(asked !== null && { 'access-control-allow-headers': asked }),
      }),
    },
  });
}
