import { assistant, count, expectConversation, you } from './support/conversation.ts';
import { test } from './support/test.ts';

test('G2: an answer continues when its tab is closed, and another device shows it', async ({
  openTab,
  release,
}) => {
  const question = 'count to 200 at 50/s, hold at 20';
  const tab = await openTab();
  await tab.send(question);
  await tab.expectHeldAt(20);
  await tab.page.context().close();

  const next = await openTab();
  await next.expectHeldAt(20);
  release();
  const conversation = [you(question), assistant(count(200))];
  await expectConversation([next], conversation);
  await next.expectNoStepBack();
  await next.reload();
  await expectConversation([next], conversation);
});

test('G2: an answer that has no viewer is written to its end', async ({ openTab, untilIdle, release }) => {
  const question = 'count to 150 at 50/s, hold at 10';
  const tab = await openTab();
  await tab.send(question);
  await tab.expectHeldAt(10);
  await tab.page.context().close();
  release();
  await untilIdle();

  const next = await openTab();
  await expectConversation([next], [you(question), assistant(count(150))]);
});
