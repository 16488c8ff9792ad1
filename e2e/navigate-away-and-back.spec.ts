import { expect } from '@playwright/test';
import { assistant, count, expectConversation, you } from './support/conversation.ts';
import { test } from './support/test.ts';

test('an answer continues while its reader is in another chat', async ({ openTab, release }) => {
  const tab = await openTab();
  const other = await openTab();
  const question = 'count to 250 at 50/s, hold at 20';
  await tab.send(question);
  await tab.expectHeldAt(20);

  await tab.page.getByRole('link', { name: 'New chat' }).click();
  await expect(tab.page).not.toHaveURL(tab.url);
  await tab.usable();
  await expectConversation([tab], []);
  await tab.send('count to 10 at 50/s');
  await expectConversation([tab], [you('count to 10 at 50/s'), assistant(count(10))]);

  await tab.page.goBack();
  await expect(tab.page).toHaveURL(tab.url);
  await tab.expectHeldAt(20);
  release();
  const conversation = [you(question), assistant(count(250))];
  await expectConversation([tab, other], conversation);

  await tab.page.goForward();
  await expectConversation([tab], [you('count to 10 at 50/s'), assistant(count(10))]);
  await tab.page.goBack();
  await expectConversation([tab, other], conversation);
});
