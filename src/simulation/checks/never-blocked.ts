// G12: once the faults have healed, a new send is answered, a stop is confirmed, and the session can be deleted.

import { textOf } from '../processes/handler.ts';
import type { Check } from './check.ts';

/** How long each may take, in simulated milliseconds. */
const withinMs = 20_000;

/** Sends, stops and deletes in the first session. */
export const neverBlocked: Check = async (stage) => {
  const { world, evidence } = stage;
  const sessionId = stage.sessions[0]!;
  world.trace(() => '== is the session blocked?');
  const page = stage.open(sessionId);
  const send = (words: number, everyMs: number) => {
    const id = stage.name('m');
    const text = textOf(id, { words, everyMs, end: 'finish' });
    void page.send({ id, role: 'user', parts: [{ type: 'text', text }] });
    return page.sends.at(-1)!;
  };
  const long = send(1_000, 1_000);
  await world.run(withinMs, () => long.chunks.length > 2);
  evidence.demand(long.chunks.length > 2, 'G12', () => `a new send is not answered: it is ${long.state}`);
  const receipt = await world.settle(page.stop(), withinMs);
  const { stopped = [], pending = [] } = (receipt && 'value' in receipt && receipt.value) || {};
  evidence.demand(
    stopped.length + pending.length > 0,
    'G12',
    () => `a stop is not accepted: ${JSON.stringify(receipt)}`,
  );
  await world.run(withinMs, () => long.state === 'done');
  evidence.demand(long.state === 'done', 'G12', () => `a stopped run is ${long.state}`);
  const short = send(2, 10);
  await world.run(withinMs, () => short.state === 'done');
  evidence.demand(short.state === 'done', 'G12', () => `a send after a stop is ${short.state}`);
  const [instance] = stage.instances;
  evidence.lost.add(sessionId);
  const deleted = await world.settle(instance!.session(sessionId).delete(), withinMs);
  evidence.demand(
    deleted !== undefined && 'value' in deleted,
    'G12',
    () => `a deletion does not succeed: ${JSON.stringify(deleted)}`,
  );
  const shown = () =>
    [...stage.pages].filter((one) => one.sessionId === sessionId && one.messages.length > 0);
  await world.run(2 * withinMs, () => shown().length === 0);
  for (const one of shown())
    evidence.violation('G4', `${one.process.name} shows a deleted session: ${one.messages.length} messages`);
};
