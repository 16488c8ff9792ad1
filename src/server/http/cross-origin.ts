// Requests that pages of other sites make: browsers send the visitor's cookies along, so they are refused before
// anything else looks at them. A request that does not say where it comes from is no browser's.

import { DurableChatError } from '../../protocol/errors.ts';
import { durableHeader, runHeader } from '../../protocol/requests.ts';

/** Throws `config` for what no browser would ever send as its `Origin`. */
export function checkOrigins(allowed: readonly string[]): void {
  const wrong = allowed.find((origin) => !/^[a-z][a-z\d+.-]*:\/\/[^/*?#\s]+$/.test(origin));
  if (wrong === undefined) return;
  throw new DurableChatError(
    'config',
    `allowedOrigins contains ${JSON.stringify(wrong)}, which is not an origin. Write an origin as a browser sends it, such as https://app.example.`,
  );
}

/**
 * What an answer to this request has to carry so that its page may read it: nothing, unless the page is of one of
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
    'The request comes from a page of another site. If that site is yours, add its origin to allowedOrigins.',
  );
}

function isOwn({ headers, url }: Request, origin: string | null): boolean {
  // The browser's own verdict, where it gives one: it knows what a proxy may hide from us. A sibling subdomain is
  // another site here, for somebody else may be serving it.
  const site = headers.get('sec-fetch-site');
  if (site !== null) return site === 'same-origin' || site === 'none';
  if (origin === null) return true;
  // Behind a proxy the name that the browser knows is the forwarded one. No page can set these headers, unless
  // a preflight allows it to. The scheme is left out: only the proxy knows it.
  const named = headers.get('x-forwarded-host') ?? headers.get('host') ?? new URL(url).host;
  if (!URL.canParse(origin)) return false;
  const { protocol, host } = new URL(origin);
  // Parsed as well, so that a default port is the same as none.
  const own = `${protocol}//${named.split(',')[0]?.trim()}`;
  return URL.canParse(own) && new URL(own).host === host;
}

/** The answer to a preflight, given its `corsHeaders`. */
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
