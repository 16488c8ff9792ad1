import { assistant, count, expectConversation, expectStopped, you } from './support/conversation.ts';
import { test } from './support/test.ts';

test('after a reload Stop still stops the answer', async ({ openTab }) => {
  const question = 'count to 2000 at 50/s, hold at 20';
  const tab = await openTab();
  const other = await openTab();
  await tab.send(question);
  await tab.expectHeldAt(20);
  await tab.reload();
  await tab.expectHeldAt(20);
  await tab.stop();
  const stopped = await expectStopped([tab, other], question, 2000);
  await tab.reload();
  await expectConversation([tab, other], [you(question), assistant(stopped)]);

  await tab.send('count to 60 at 50/s');
  const turns = [you(question), assistant(stopped), you('count to 60 at 50/s'), assistant(count(60))];
  await expectConversation([tab, other], turns);
});
