import { assistant, count, expectConversation, you } from './support/conversation.ts';
import { test } from './support/test.ts';

const offline = /net::ERR_(INTERNET_DISCONNECTED|NETWORK_CHANGED)/;

for (const who of ['sender', 'viewer'] as const) {
  test(`the ${who} loses the network during an answer, reconnects, and misses nothing`, async ({
    openTab,
    release,
    expectProblems,
  }) => {
    expectProblems(offline);
    const tabs = { sender: await openTab(), viewer: await openTab() };
    const lost = tabs[who];
    const kept = who === 'sender' ? tabs.viewer : tabs.sender;
    const question = 'count to 250 at 50/s, hold at 20, 100';
    await tabs.sender.send(question);
    await lost.expectHeldAt(20);
    await lost.page.context().setOffline(true);
    await lost.expectConnection('Offline');
    release();
    await kept.expectHeldAt(100);
    await lost.page.context().setOffline(false);
    await lost.expectConnection('Connected');
    await lost.expectHeldAt(100);
    release();

    const both = [lost, kept];
    await expectConversation(both, [you(question), assistant(count(250))]);
    for (const tab of both) await tab.expectNoStepBack();
    await lost.reload();
    await expectConversation(both, [you(question), assistant(count(250))]);
  });
}

test('the answer ends while the sender is offline', async ({ openTab, release, expectProblems }) => {
  expectProblems(offline);
  const sender = await openTab();
  const viewer = await openTab();
  const question = 'count to 100 at 50/s, hold at 20';
  await sender.send(question);
  await sender.expectHeldAt(20);
  await sender.page.context().setOffline(true);
  await sender.expectConnection('Offline');
  release();
  const conversation = [you(question), assistant(count(100))];
  await expectConversation([viewer], conversation);
  await sender.page.context().setOffline(false);
  await expectConversation([sender, viewer], conversation);
  await sender.expectConnection('Connected');
  await sender.expectNoStepBack();

  await sender.send('count to 20 at 50/s');
  await expectConversation(
    [sender, viewer],
    [...conversation, you('count to 20 at 50/s'), assistant(count(20))],
  );
});
