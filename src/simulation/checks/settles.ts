// G12, G6 and G4: once the faults have healed, no run is active, each send has ended, and each page shows the messages of the
// log.

import { isDeepStrictEqual } from 'node:util';
import type { UIMessage } from 'ai';
import { messagesOf } from '../../protocol/session-state.ts';
import type { Page } from '../processes/page.ts';
import type { Stage } from '../stage.ts';
import type { Check } from './check.ts';
import { logOf } from './logs.ts';

/** When it looks again, in milliseconds. It looks more and more rarely. */
const firstMs = 500;
const longer = 1.4;

/** Waits until all has settled. */
export const settles: Check = async (stage, ms) => {
  const { world, evidence } = stage;
  const end = world.elapsed + ms;
  // Without a viewer a run whose producer is dead ends only when its session is read.
  for (const sessionId of stage.sessions)
    if (![...stage.pages].some((page) => page.sessionId === sessionId)) stage.open(sessionId);
  await world.run(Math.max(firstMs, stage.dueAt - world.elapsed));
  let open = await openIn(stage);
  for (let waitMs = firstMs; open.length > 0 && world.elapsed < end; waitMs *= longer) {
    await world.run(waitMs);
    open = await openIn(stage);
  }
  for (const [guarantee, what] of open) evidence.violation(guarantee, what);
};

/** What has not settled yet. */
async function openIn(stage: Stage): Promise<[guarantee: string, what: string][]> {
  const pages = [...stage.pages];
  const open = pages.flatMap(openOn);
  if (open.length > 0) return open;
  for (const sessionId of stage.sessions) {
    const state = (await logOf(stage, sessionId))?.state;
    if (!state) return [['G12', `session ${sessionId} cannot be read`]];
    for (const { runId } of state.active) open.push(['G12', `run ${runId} is active in the log`]);
    const truth = messagesOf(state);
    for (const page of pages)
      if (page.sessionId === sessionId && !isDeepStrictEqual(page.messages, truth))
        open.push(['G4', `${page.process.name} shows ${brief(page.messages)}, the log has ${brief(truth)}`]);
  }
  return open;
}

function openOn(page: Page): [guarantee: string, what: string][] {
  const { connection, runs } = page.session.getSnapshot();
  const { name } = page.process;
  const open = runs.map(({ runId }) => ['G12', `${name} has the active run ${runId}`] as [string, string]);
  if (connection !== 'connected') open.push(['G12', `${name} is ${connection}`]);
  for (const { state, message } of page.sends)
    if (state === 'sending' || state === 'answering') open.push(['G12', `send ${message.id} is ${state}`]);
  return open;
}

function brief(messages: readonly UIMessage[]): string {
  return messages
    .map(
      ({ id, parts }) => `${id} ${parts.map((part) => ('text' in part ? part.text : part.type)).join('|')}`,
    )
    .join(', ');
}
