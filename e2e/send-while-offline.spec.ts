import { expect } from '@playwright/test';
import { assistant, count, expectConversation, you } from './support/conversation.ts';
import { test } from './support/test.ts';

const offline = /net::ERR_(INTERNET_DISCONNECTED|NETWORK_CHANGED|FAILED)/;

test('messages sent without a network are shown as waiting, and are sent in order when it is back', async ({
  openTab,
  expectProblems,
}) => {
  expectProblems(offline);
  const tab = await openTab();
  const other = await openTab();
  await tab.send('count to 5');
  const turn = [you('count to 5'), assistant(count(5))];
  await expectConversation([tab, other], turn);

  await tab.page.context().setOffline(true);
  await tab.expectConnection('Offline');
  const sent = [6, 7, 8].map((n) => `count to ${n}`);
  for (const text of sent) await tab.send(text);
  await expect.poll(() => tab.messages()).toEqual([...turn, ...sent.map(you)]);
  expect(await tab.status()).toBe('submitted');
  await expect(tab.page.getByText('Waiting for the network')).toHaveCount(3);
  await tab.page.context().setOffline(false);
  await tab.expectConnection('Connected');
  await expectConversation(
    [tab, other],
    [...turn, ...[6, 7, 8].flatMap((n) => [you(`count to ${n}`), assistant(count(n))])],
  );
  await expect(tab.page.getByText('Waiting for the network')).toHaveCount(0);
});

test('a reload between a send and its response loses nothing, and sends once', async ({
  openTab,
  expectProblems,
}) => {
  expectProblems(offline);
  const tab = await openTab();
  const other = await openTab();
  // The subscription works, but no POST reaches the server.
  await tab.page.route('**/api/chat', (route) =>
    route.request().method() === 'POST' ? route.abort('failed') : route.continue(),
  );
  await tab.send('count to 5');
  await tab.send('count to 6');
  await expect.poll(() => tab.posts.length).toBeGreaterThan(2);
  await tab.reload();
  await expect.poll(() => tab.messages()).toEqual([you('count to 5'), you('count to 6')]);
  await tab.page.unroute('**/api/chat');
  await expectConversation(
    [tab, other],
    [you('count to 5'), assistant(count(5)), you('count to 6'), assistant(count(6))],
  );
  await tab.reload();
  expect(await tab.messages()).toEqual(await other.messages());
  expect(tab.posts.length).toBeGreaterThan(3);
});

test('after a lost response and a reload, the page finds the run of its send', async ({
  openTab,
  expectProblems,
}) => {
  expectProblems(offline);
  const tab = await openTab();
  const other = await openTab();
  await tab.page.route('**/api/chat', async (route) => {
    if (route.request().method() !== 'POST') return route.continue();
    // The server accepts the send, and the page gets no response.
    const leaving = new AbortController();
    const { url, headers, body } = {
      url: route.request().url(),
      headers: await route.request().allHeaders(),
      body: route.request().postData(),
    };
    await fetch(url, { method: 'POST', headers, body, signal: leaving.signal });
    leaving.abort();
    return route.abort('failed');
  });
  await tab.send('count to 100 at 25/s');
  await other.expectCounted(5);
  // The page may be posting again at this moment. The reload ends that request too.
  await tab.page.unrouteAll({ behavior: 'ignoreErrors' });
  await tab.reload();
  await expectConversation([tab, other], [you('count to 100 at 25/s'), assistant(count(100))]);
});
