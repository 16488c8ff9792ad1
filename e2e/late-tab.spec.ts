import { expect } from '@playwright/test';
import { assistant, count, expectConversation, you } from './support/conversation.ts';
import { test } from './support/test.ts';

test('a tab that comes late sees the answer from its beginning, then live', async ({ openTab }) => {
  const early = await openTab();
  await early.send('count to 250 at 50/s');
  await early.expectCounted(40);
  const late = await openTab();
  await late.expectCounted(40);
  expect(await late.status()).toBe('streaming');
  expect((await late.answerText()).startsWith(count(40))).toBe(true);

  const conversation = [you('count to 250 at 50/s'), assistant(count(250))];
  await expectConversation([early, late], conversation);
  for (const tab of [early, late]) await tab.expectNoStepBack();
  expect(await late.steps()).toBeGreaterThan(15);

  const last = await openTab();
  await expectConversation([early, late, last], conversation);
});
