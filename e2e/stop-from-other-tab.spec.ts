import { assistant, count, expectConversation, expectStopped, you } from './support/conversation.ts';
import { test } from './support/test.ts';

const question = 'count to 2000 at 50/s, hold at 20';

test('Stop on another device stops the model, and both keep the same part of the answer', async ({
  openTab,
}) => {
  const sender = await openTab();
  const other = await openTab();
  await sender.send(question);
  await other.expectHeldAt(20);
  await other.stop();
  const stopped = await expectStopped([sender, other], question, 2000);
  await other.reload();
  const third = await openTab();
  await expectConversation([sender, other, third], [you(question), assistant(stopped)]);

  // The next run works, and takes long enough to show that the stopped answer no longer grows.
  await sender.send('count to 60 at 50/s');
  const turns = [you(question), assistant(stopped), you('count to 60 at 50/s'), assistant(count(60))];
  await expectConversation([sender, other, third], turns);
  await sender.reload();
  await expectConversation([sender], turns);
});

test('another tab shows a Stop of the tab that sent', async ({ openTab }) => {
  const sender = await openTab();
  const other = await openTab({ beside: sender });
  await sender.send(question);
  await sender.expectHeldAt(20);
  await sender.stop();
  const stopped = await expectStopped([sender, other], question, 2000);
  await sender.reload();
  await other.reload();
  await expectConversation([sender, other], [you(question), assistant(stopped)]);
});
