// The lines of this page: one for all sessions that ask the same route in the same way.

import type { Runtime } from '../../lib/runtime.ts';
import { digest, pageLocks } from './browser.ts';
import type { Requests } from './requests.ts';
import { takeSlot } from './slots.ts';
import { Line, type LineOptions } from './tabs/line.ts';

/** Tabs of builds that say something else to each other do not share. */
const version = 1;

/** How requests are made now. Those that are made alike share a line. */
export interface Asked {
  readonly route: string;
  readonly fetch: unknown;
  /** What they have in common, for this page alone: headers hold secrets. */
  readonly as: string;
  /** Its digest, for other pages; undefined where there is none. */
  readonly name: string | undefined;
}

const lines = new Set<{ readonly asked: Asked; readonly line: Line }>();

/** Rejects with what an option of the app throws. */
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
    [...new Headers(await (typeof headers === 'function' ? headers() : headers))],
    await (typeof credentials === 'function' ? credentials() : credentials),
  ]);
}

/** A place among the connections of the browser. */
export function slotFor({ route }: Asked): LineOptions['takeSlot'] {
  return (signal) => takeSlot(route, signal);
}

/** The page's line for requests that are made alike. */
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
