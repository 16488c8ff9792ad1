// The lines of this page: one for all sessions with the same route and the same request options.

import type { Runtime } from '../../lib/runtime.ts';
import { digest, pageLocks } from './browser.ts';
import { resolve, type Requests } from './requests.ts';
import { takeSlot } from './slots.ts';
import { Line, type LineOptions } from './tabs/line.ts';

/** The version of the notes between tabs. Tabs of different versions do not share a line. */
const version = 1;

/** The current request options. Sessions with equal ones share a line. */
export interface Asked {
  readonly route: string;
  readonly fetch: unknown;
  /** Their key inside this page. Other pages must not see it, because headers contain secrets. */
  readonly as: string;
  /** Its digest, for other pages; undefined if the browser has no digest. */
  readonly name: string | undefined;
}

const lines = new Set<{ readonly asked: Asked; readonly line: Line }>();

/** Rejects with the error of an option of the app. */
export async function askedNow(requests: Requests, runtime: Runtime): Promise<Asked> {
  const { api, options } = requests;
  const as = await askedAs(requests);
  return { route: api(), fetch: options.fetch, as, name: pageLocks() && (await digest(as, runtime)) };
}

/** Changes with the headers of the app. */
export async function askedAs({ api, options: { headers, credentials } }: Requests): Promise<string> {
  return JSON.stringify([
    version,
    api(),
    [...new Headers(await resolve(headers))],
    await resolve(credentials),
  ]);
}

/** One of the browser's connections. */
export function slotFor({ route }: Asked): LineOptions['takeSlot'] {
  return (signal) => takeSlot(route, signal);
}

/** The page's line for equal request options. */
export function pageLine(asked: Asked, takeSlot: LineOptions['takeSlot'], runtime: Runtime): Line {
  for (const open of lines)
    if (open.asked.as === asked.as && open.asked.fetch === asked.fetch) return open.line;
  const line = new Line({
    runtime,
    name: asked.name,
    takeSlot,
    onClose: () => void lines.delete(open),
  });
  const open = { asked, line };
  lines.add(open);
  return line;
}
