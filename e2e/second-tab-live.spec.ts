import { assistant, count, expectConversation, you } from './support/conversation.ts';
import { test } from './support/test.ts';

test('a second tab and another device see the answer as it is written', async ({ openTab, release }) => {
  const first = await openTab();
  const second = await openTab({ beside: first });
  const device = await openTab();
  const question = 'count to 150 at 50/s, hold at 1, 2, 10, 11, 60';
  await first.send(question);
  const tabs = [first, second, device];
  for (const held of [1, 2, 10, 11, 60]) {
    // Each tab shows the answer so far before there is more, even a single chunk.
    for (const tab of tabs) await tab.expectHeldAt(held);
    release();
  }
  await expectConversation(tabs, [you(question), assistant(count(150))]);
  for (const tab of tabs) await tab.expectNoStepBack();
});

test('the conversation continues from another device', async ({ openTab }) => {
  const phone = await openTab();
  const desk = await openTab();
  await phone.send('count to 20 at 50/s');
  const first = [you('count to 20 at 50/s'), assistant(count(20))];
  await expectConversation([phone, desk], first);
  await desk.send('count to 30 at 50/s');
  const both = [...first, you('count to 30 at 50/s'), assistant(count(30))];
  await expectConversation([phone, desk], both);
});
