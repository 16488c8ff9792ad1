import { expect } from '@playwright/test';
import { openRequests } from './support/connections.ts';
import { assistant, count, expectConversation, you } from './support/conversation.ts';
import { test } from './support/test.ts';
import type { Tab } from './support/tab.ts';

test('eight tabs of one browser follow an answer over one connection, past the end of the tab that held it', async ({
  openTab,
  release,
}) => {
  const first = await openTab();
  const open = openRequests(first.page.context(), 'GET');
  const tabs = [first];
  // Over HTTP/1.1 a browser has six connections to a host: a seventh subscription would hang.
  while (tabs.length < 8) tabs.push(await openTab({ beside: first }));
  await expect.poll(() => open.size).toBe(0);

  const sender = tabs.at(-1)!;
  const question = 'count to 250 at 50/s, hold at 30, 60, 100';
  await sender.send(question);
  // Each tab shows the answer so far before there is more.
  for (const tab of tabs) await tab.expectHeldAt(30);
  release();
  for (const tab of tabs) await tab.expectHeldAt(60);
  // The only subscription is the first tab's, which was opened before the count began.
  expect(open.size).toBe(0);

  await first.page.close();
  const left = tabs.slice(1);
  await expect.poll(() => open.size).toBe(1);
  release();
  for (const tab of left) await tab.expectHeldAt(100);
  release();
  await expectConversation(left, [you(question), assistant(count(250))]);
  for (const tab of left) {
    await tab.expectNoStepBack();
  }
  expect(open.size).toBe(1);
  await sender.reload();
  await expectConversation(left, [you(question), assistant(count(250))]);
});

test('tabs of one browser send and reload during an answer, and lose nothing', async ({
  openTab,
  release,
}) => {
  const first = await openTab();
  const tabs: Tab[] = [first, await openTab({ beside: first }), await openTab({ beside: first })];
  await tabs[1]!.send('count to 20 at 50/s');
  const turn = [you('count to 20 at 50/s'), assistant(count(20))];
  await expectConversation(tabs, turn);
  // The tab that holds the connection reloads, one tab after the other.
  await first.send('count to 100 at 50/s, hold at 10, 20, 30');
  for (const [index, tab] of tabs.entries()) {
    for (const one of tabs) await one.expectHeldAt(10 * (index + 1));
    await tab.reload();
    release();
  }
  await expectConversation(tabs, [
    ...turn,
    you('count to 100 at 50/s, hold at 10, 20, 30'),
    assistant(count(100)),
  ]);
});
