import { expect, type BrowserContext, type Request } from '@playwright/test';
import { assistant, count, expectConversation, you } from './support/conversation.ts';
import { test } from './support/test.ts';
import type { Tab } from './support/tab.ts';

test('eight tabs of one browser follow an answer over one connection, past the end of the tab that held it', async ({
  openTab,
  release,
}) => {
  const first = await openTab();
  const open = subscriptions(first.page.context());
  const tabs = [first];
  // Over HTTP/1.1 a browser has six connections to a host: the seventh would hang.
  while (tabs.length < 8) tabs.push(await openTab({ beside: first }));
  await expect.poll(() => open.size).toBe(0);

  const sender = tabs.at(-1)!;
  const question = 'count to 250 at 50/s, hold at 30, 60, 100';
  await sender.send(question);
  // Live: each tab shows what there is while there is no more.
  for (const tab of tabs) await tab.expectHeldAt(30);
  release();
  for (const tab of tabs) await tab.expectHeldAt(60);
  // What the first tab opened before we counted is the only one.
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

test('tabs beside each other send, stop and go on as ever', async ({ openTab, release }) => {
  const first = await openTab();
  const tabs: Tab[] = [first, await openTab({ beside: first }), await openTab({ beside: first })];
  await tabs[1]!.send('count to 20 at 50/s');
  const turn = [you('count to 20 at 50/s'), assistant(count(20))];
  await expectConversation(tabs, turn);
  // The one that is connected for all leaves by a reload, again and again.
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

/** Subscriptions that were asked for from now on and are not over. */
function subscriptions(context: BrowserContext): Set<Request> {
  const open = new Set<Request>();
  context.on('request', (request) => {
    if (request.method() === 'GET' && /\/api\/chat\?id=/.test(request.url())) open.add(request);
  });
  context.on('requestfinished', (request) => void open.delete(request));
  context.on('requestfailed', (request) => void open.delete(request));
  return open;
}
