import { expect } from '@playwright/test';
import { isChat } from './support/connections.ts';
import { assistant, count, expectConversation, you } from './support/conversation.ts';
import { test } from './support/test.ts';

test('a refused message keeps its place over a reload, and is sent again or removed by the user', async ({
  openTab,
  expectProblems,
}) => {
  expectProblems(/status of 403/);
  const tab = await openTab();
  const other = await openTab();
  await tab.send('count to 3');
  const turn = [you('count to 3'), assistant(count(3))];
  await expectConversation([tab, other], turn);

  const error = { code: 'forbidden', message: 'You may not write in this chat.' };
  await tab.page.route(isChat, (route) =>
    route.request().method() === 'POST'
      ? route.fulfill({ status: 403, headers: { 'x-durable-chat': '2' }, json: { error } })
      : route.continue(),
  );
  const refused = [you('count to 4'), you('count to 5')];
  for (const [index, { text }] of refused.entries()) {
    await tab.send(text);
    await expect(tab.page.getByText(error.message)).toBeVisible();
    await expect(tab.page.getByText('Not sent', { exact: true })).toHaveCount(index + 1);
  }
  await tab.page.unroute(isChat);
  await tab.reload();
  await expectConversation([tab], [...turn, ...refused]);
  await expectConversation([other], turn);

  await tab.pressOn('You', 'count to 4', 'Remove');
  await tab.pressOn('You', 'count to 5', 'Send again');
  await expectConversation([tab, other], [...turn, you('count to 5'), assistant(count(5))]);
  await expect(tab.page.getByText('Not sent', { exact: true })).toHaveCount(0);
});
