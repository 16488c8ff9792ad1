// G12 and G6: once the faults have healed, no page knows of a run that is active or of a send without an answer.

import type { Check } from './check.ts';

export const settles: Check = async ({ world, pages, evidence }, ms) => {
  const end = world.elapsed + ms;
  const isQuiet = () => [...pages].every((page) => page.isQuiet);
  while (!isQuiet() && world.elapsed < end) await world.run(500);
  for (const page of pages) {
    const { connection, runs } = page.session.getSnapshot();
    evidence.demand(
      page.isQuiet,
      'G12',
      () =>
        `${page.process.name} is ${connection} and has the active runs ${runs.map(({ runId }) => runId).join()}`,
    );
    for (const { state, message } of page.sends)
      evidence.demand(
        state === 'done' || state === 'refused',
        'G12',
        () => `the send of ${message.id} is ${state}`,
      );
  }
};
