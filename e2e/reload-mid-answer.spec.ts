import { expect } from '@playwright/test';
import { assistant, count, expectConversation, you } from './support/conversation.ts';
import { test } from './support/test.ts';

test('a reload in the middle of an answer loses nothing of it', async ({ openTab }) => {
  const tab = await openTab();
  await tab.send('count to 200 at 50/s');
  await tab.expectCounted(20);
  await tab.page.reload();
  await tab.expectCounted(21);
  // Back while it still runs: the page has to go on with it, not only to show its end.
  expect(await tab.status()).toBe('streaming');
  await tab.usable();

  const conversation = [you('count to 200 at 50/s'), assistant(count(200))];
  await expectConversation([tab], conversation);
  await tab.expectNoStepBack();
  await tab.reload();
  await expectConversation([tab, await openTab()], conversation);
});
