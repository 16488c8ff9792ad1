// The lines of this page: one for all sessions with the same route and the same request options.

import type { Runtime } from '../../lib/runtime.ts';
import { digest, pageLocks } from './browser.ts';
import { resolve, type Requests } from './requests.ts';
import { takeSlot } from './slots.ts';
import { Line, type LineOptions } from './tabs/line.ts';

/** The version of the notes between tabs. Tabs of different versions do not share a line. */
const version = 1;

/** The identity of the current request options. Sessions with equal ones share a line. */
export interface RequestIdentity {
  readonly route: string;
  readonly fetch: unknown;
  /** The options as a text. Other pages must not see it, because headers contain secrets. */
  readonly key: string;
  /** Its digest, for other pages; undefined if the browser has no digest. */
  readonly digest: string | undefined;
}

const lines = new Set<{ readonly identity: RequestIdentity; readonly line: Line }>();

/** Rejects with the error of an option of the app. */
export async function identityOf(requests: Requests, runtime: Runtime): Promise<RequestIdentity> {
  const { api, options } = requests;
  const key = await keyOf(requests);
  return { route: api(), fetch: options.fetch, key, digest: pageLocks() && (await digest(key, runtime)) };
}

/** Changes with the headers of the app. */
export async function keyOf({ api, options: { headers, credentials } }: Requests): Promise<string> {
  return JSON.stringify([
    version,
    api(),
    [...new Headers(await resolve(headers))],
    await resolve(credentials),
  ]);
}

/** One of the browser's connections. */
export function slotFor({ route }: RequestIdentity): LineOptions['takeSlot'] {
  return (signal) => takeSlot(route, signal);
}

/** The page's line for equal request options. */
export function pageLine(
  identity: RequestIdentity,
  takeSlot: LineOptions['takeSlot'],
  runtime: Runtime,
): Line {
  for (const open of lines)
    if (open.identity.key === identity.key && open.identity.fetch === identity.fetch) return open.line;
  const line = new Line({
    runtime,
    name: identity.digest,
    takeSlot,
    onClose: () => void lines.delete(open),
  });
  const open = { identity, line };
  lines.add(open);
  return line;
}
