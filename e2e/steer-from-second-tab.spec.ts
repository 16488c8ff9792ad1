import { expect } from '@playwright/test';
import { assistant, count, expectConversation, expectTools, you } from './support/conversation.ts';
import { test } from './support/test.ts';

test('a message from the second tab steers the running answer', async ({ openTab, release }) => {
  const asker = await openTab();
  const other = await openTab();
  await asker.send('weather in Lisbon');
  await expectTools([asker, other], [{ title: 'Weather in Lisbon', state: 'running' }]);
  await other.type('count to 20 at 50/s');
  await other.press('Steer');
  // The tool is released only after the server has the message.
  await expect(asker.page.getByText('count to 20 at 50/s')).toBeVisible();
  release();

  // The message is inside the one answer, and has no turn of its own.
  const turn = [you('weather in Lisbon'), assistant(count(20))];
  await expectConversation([asker, other], turn);
  for (const tab of [asker, other, await openTab()]) {
    await expect(tab.page.getByLabel('Your message during the answer')).toHaveText('count to 20 at 50/s');
  }
  await asker.reload();
  await expectConversation([asker, other], turn);
});
