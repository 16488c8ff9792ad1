import { assistant, count, expectConversation, you } from './support/conversation.ts';
import { test } from './support/test.ts';

test('a tab that is opened during an answer shows it from its beginning, then live', async ({
  openTab,
  release,
}) => {
  const early = await openTab();
  const question = 'count to 250 at 50/s, hold at 40, 80';
  await early.send(question);
  await early.expectHeldAt(40);
  const late = await openTab();
  await late.expectHeldAt(40);
  release();
  // The late tab shows the answer so far before there is more.
  await late.expectHeldAt(80);
  release();

  const conversation = [you(question), assistant(count(250))];
  await expectConversation([early, late], conversation);
  for (const tab of [early, late]) await tab.expectNoStepBack();

  const last = await openTab();
  await expectConversation([early, late, last], conversation);
});
