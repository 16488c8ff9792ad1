import { randomBytes } from 'node:crypto';
import { expect } from '@playwright/test';
import { openRequests } from './support/connections.ts';
import { assistant, count, expectConversation, you } from './support/conversation.ts';
import type { Tab } from './support/tab.ts';
import { test } from './support/test.ts';

// Over HTTP/1.1 a browser has six connections to a host. The demo speaks HTTP/1.1.

test('eight chats on one page are all connected, and all answer at the same time', async ({
  openChatsOnOnePage,
  release,
}) => {
  const chats = await openChatsOnOnePage(8);
  const open = openRequests(chats[0]!.page.context());
  await expectAllAnswer(chats, release, open);
  // A chat that is in use continues after a reload of the page.
  await chats[0]!.page.reload();
  for (const chat of chats) await chat.usable();
  for (const chat of chats) await expect.poll(() => chat.answerText()).toBe(count(100));
});

test('eight tabs with eight chats are all connected, and all answer at the same time', async ({
  openTab,
  release,
}) => {
  const first = await openTab();
  const open = openRequests(first.page.context());
  const tabs = [first];
  while (tabs.length < 8)
    tabs.push(await openTab({ beside: first, chatId: randomBytes(16).toString('base64url') }));
  await expectAllAnswer(tabs, release, open);
  // The tab with the connection closes.
  await first.page.close();
  const others = tabs.slice(1);
  for (const tab of others) await tab.send('count to 10 at 50/s');
  for (const tab of others) await expect.poll(() => tab.answerText()).toBe(count(10));
});

async function expectAllAnswer(
  chats: readonly Tab[],
  release: () => void,
  open: ReadonlySet<unknown>,
): Promise<void> {
  const question = 'count to 100 at 50/s, hold at 30';
  for (const chat of chats) await chat.send(question);
  for (const chat of chats) await chat.expectHeldAt(30);
  await expect.poll(() => open.size).toBeLessThanOrEqual(4);
  // Stop gets a connection.
  await chats[0]!.stop();
  await chats[0]!.expectStatus('ready');
  for (const _ of chats) release();
  await expectConversation(chats.slice(0, 1), [you(question), assistant(count(30))]);
  for (const chat of chats.slice(1)) await expectConversation([chat], [you(question), assistant(count(100))]);
  await chats[0]!.send('count to 100 at 50/s');
  await expect.poll(() => chats[0]!.answerText()).toBe(count(100));
}
