import { expect } from '@playwright/test';
import { openRequests } from './support/connections.ts';
import { expectReady, you } from './support/conversation.ts';
import { test } from './support/test.ts';

test('Stop stops an answer although five follow-ups wait, and none of them is answered later', async ({
  openTab,
  untilIdle,
  demo,
}) => {
  const tab = await openTab();
  const open = openRequests(tab.page.context(), 'POST');
  const question = 'count to 2000 at 50/s, hold at 20';
  await tab.send(question);
  await tab.expectHeldAt(20);
  const queued = Array.from({ length: 5 }, (_, index) => `count to ${index + 1}`);
  for (const text of queued) await tab.send(text);
  await expect(tab.page.getByRole('button', { name: 'Withdraw' })).toHaveCount(5);
  // Over HTTP/1.1 each open POST takes one of six connections.
  await expect.poll(() => open.size).toBeLessThanOrEqual(1);
  expect(demo.gate.waiting()).toBe(1);
  await tab.stop();
  // Nothing releases the model: its abort alone ends the wait.
  await expect.poll(() => demo.gate.waiting()).toBe(0);
  await expectReady([tab]);
  await untilIdle();
  const answers = tab.page.getByRole('article', { name: 'Assistant' });
  await expect(answers).toHaveCount(1);
  expect((await tab.messages()).filter(({ author }) => author === 'You')).toEqual([
    you(question),
    ...queued.map(you),
  ]);
  await tab.reload();
  await expect(answers).toHaveCount(1);
});
