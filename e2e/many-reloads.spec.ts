import { assistant, count, expectConversation, you } from './support/conversation.ts';
import { test } from './support/test.ts';

test('ten reloads at any moment change nothing', async ({ openTab }) => {
  const seed = Number(process.env['E2E_SEED'] ?? Date.now() % 1_000_000);
  console.log(`many-reloads: E2E_SEED=${seed}`);
  const random = createRandom(seed);
  const question = 'count to 400 at 50/s';
  const tab = await openTab();
  const other = await openTab();
  await tab.send(question);
  await tab.expectCounted(1);

  const moments = Array.from({ length: 10 }, () => Math.ceil(random() * 350)).sort((a, b) => a - b);
  for (const moment of moments) {
    // A reload may come late, and often before the previous page was ready. The test wants both.
    await other.expectCounted(moment);
    await tab.page.reload({ waitUntil: random() < 0.5 ? 'commit' : 'load' });
    if (random() < 0.5) await tab.expectCounted(1);
  }
  await expectConversation([tab, other], [you(question), assistant(count(400))]);
  for (const one of [tab, other]) await one.expectNoStepBack();
  await tab.reload();
  await expectConversation([tab, other], [you(question), assistant(count(400))]);
});

/** mulberry32: the same seed gives the same moments. */
function createRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
