import { assistant, count, expectConversation, you } from './support/conversation.ts';
import { test } from './support/test.ts';

test('a reload during an answer loses nothing', async ({ openTab, release }) => {
  const tab = await openTab();
  const question = 'count to 200 at 50/s, hold at 20, 40';
  await tab.send(question);
  await tab.expectHeldAt(20);
  await tab.page.reload();
  await tab.expectHeldAt(20);
  await tab.usable();
  // The page shows the answer live, and not only its end.
  release();
  await tab.expectHeldAt(40);
  release();

  const conversation = [you(question), assistant(count(200))];
  await expectConversation([tab], conversation);
  await tab.expectNoStepBack();
  await tab.reload();
  await expectConversation([tab, await openTab()], conversation);
});
