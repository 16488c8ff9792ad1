import { expect, type BrowserContext, type Request } from '@playwright/test';
import { assistant, count, expectConversation, you } from './support/conversation.ts';
import { test } from './support/test.ts';
import type { Tab } from './support/tab.ts';

test('eight tabs of one browser follow an answer over one connection, past the end of the tab that held it', async ({
  openTab,
}) => {
  test.setTimeout(120_000);
  const first = await openTab();
  const open = subscriptions(first.page.context());
  const tabs = [first];
  // Over HTTP/1.1 a browser has six connections to a host: the seventh would hang.
  while (tabs.length < 8) tabs.push(await openTab({ beside: first }));
  await expect.poll(() => open.size).toBe(0);

  const sender = tabs.at(-1)!;
  await sender.send('count to 250 at 25/s');
  for (const tab of tabs) {
    await tab.expectCounted(30);
    expect(await tab.status()).toBe('streaming');
  }
  // What the first tab opened before we counted is the only one.
  expect(open.size).toBe(0);

  await first.page.close();
  const left = tabs.slice(1);
  await expect.poll(() => open.size).toBe(1);
  for (const tab of left) await tab.expectCounted(100);
  await expectConversation(left, [you('count to 250 at 25/s'), assistant(count(250))]);
  for (const tab of left) {
    await tab.expectNoStepBack();
    expect(await tab.steps()).toBeGreaterThan(15);
  }
  expect(open.size).toBe(1);
  await sender.reload();
  await expectConversation(left, [you('count to 250 at 25/s'), assistant(count(250))]);
});

test('tabs beside each other send, stop and go on as ever', async ({ openTab }) => {
  const first = await openTab();
  const tabs: Tab[] = [first, await openTab({ beside: first }), await openTab({ beside: first })];
  await tabs[1]!.send('count to 20 at 50/s');
  const turn = [you('count to 20 at 50/s'), assistant(count(20))];
  await expectConversation(tabs, turn);
  // The one that is connected for all leaves by a reload, again and again.
  await first.send('count to 100 at 50/s');
  for (const tab of tabs) {
    await tabs[2]!.expectCounted(10);
    await tab.reload();
  }
  await expectConversation(tabs, [...turn, you('count to 100 at 50/s'), assistant(count(100))]);
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
