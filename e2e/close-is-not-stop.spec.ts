import { assistant, count, expectConversation, you } from './support/conversation.ts';
import { test } from './support/test.ts';

test('an answer goes on when its tab is closed, and is there on the next device', async ({ openTab }) => {
  const tab = await openTab();
  await tab.send('count to 200 at 50/s');
  await tab.expectCounted(20);
  await tab.page.context().close();

  const next = await openTab();
  await next.expectCounted(21);
  const conversation = [you('count to 200 at 50/s'), assistant(count(200))];
  await expectConversation([next], conversation);
  await next.expectNoStepBack();
  await next.reload();
  await expectConversation([next], conversation);
});

test('an answer that nobody watches is written to its end', async ({ openTab, untilIdle }) => {
  const tab = await openTab();
  await tab.send('count to 150 at 50/s');
  await tab.expectCounted(10);
  await tab.page.context().close();
  await untilIdle();

  const next = await openTab();
  await expectConversation([next], [you('count to 150 at 50/s'), assistant(count(150))]);
});
