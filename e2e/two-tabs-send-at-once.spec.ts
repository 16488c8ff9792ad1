import { expect } from '@playwright/test';
import { assistant, count, expectConversation, expectReady, you } from './support/conversation.ts';
import { test } from './support/test.ts';

test('two tabs that send at once get both answers, in one order', async ({ openTab }) => {
  const tabs = [await openTab(), await openTab()] as const;
  const turns = [
    [you('count to 60 at 50/s'), assistant(count(60))],
    [you('count to 61 at 50/s'), assistant(count(61))],
  ] as const;
  await Promise.all(tabs.map((tab, index) => tab.type(turns[index]![0].text)));
  await Promise.all(tabs.map((tab) => tab.page.getByRole('button', { name: 'Send', exact: true }).click()));

  await expect.poll(async () => (await tabs[0].messages()).at(-1)?.text).toMatch(/ 6[01]$/);
  await expectReady(tabs);
  await expect.poll(async () => (await tabs[0].messages()).length).toBe(4);
  const [first] = await tabs[0].messages();
  const order = first?.text === turns[0][0].text ? [...turns[0], ...turns[1]] : [...turns[1], ...turns[0]];
  await expectConversation(tabs, order);
  await tabs[1].reload();
  await expectConversation([...tabs, await openTab()], order);
});
