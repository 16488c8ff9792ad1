import { assistant, count, expectConversation, you } from './support/conversation.ts';
import { test } from './support/test.ts';

test('a reload in the middle of an answer loses nothing of it', async ({ openTab, release }) => {
  const tab = await openTab();
  const question = 'count to 200 at 50/s, hold at 20, 40';
  await tab.send(question);
  await tab.expectHeldAt(20);
  await tab.page.reload();
  await tab.expectHeldAt(20);
  await tab.usable();
  // The page goes on with it: it does not only show its end.
  release();
  await tab.expectHeldAt(40);
  release();

  const conversation = [you(question), assistant(count(200))];
  await expectConversation([tab], conversation);
  await tab.expectNoStepBack();
  await tab.reload();
  await expectConversation([tab, await openTab()], conversation);
});
