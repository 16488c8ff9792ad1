import { expect } from '@playwright/test';
import { openRequests } from './support/connections.ts';
import { assistant, count, expectConversation, you } from './support/conversation.ts';
import { test } from './support/test.ts';

test('an edit in one tab replaces what followed in the other tab too', async ({ openTab, release }) => {
  const editor = await openTab();
  const watcher = await openTab();
  await watcher.send('count to 20 at 50/s');
  const first = [you('count to 20 at 50/s'), assistant(count(20))];
  await expectConversation([editor, watcher], first);
  await watcher.send('count to 30 at 50/s');
  await expectConversation([editor, watcher], [...first, you('count to 30 at 50/s'), assistant(count(30))]);

  await editor.edit('count to 20 at 50/s', 'count to 100 at 50/s, hold at 40');
  await watcher.expectHeldAt(40);
  expect(await watcher.messages()).toHaveLength(2);
  release();
  const edited = [you('count to 100 at 50/s, hold at 40'), assistant(count(100))];
  await expectConversation([editor, watcher], edited);
  await watcher.reload();
  await expectConversation([editor, watcher, await openTab()], edited);
});

test('an edit during an answer stops the answer, also from another tab', async ({ openTab }) => {
  const asker = await openTab();
  const editor = await openTab();
  await asker.send('count to 2000 at 50/s, hold at 20');
  await editor.expectHeldAt(20);
  await editor.edit('count to 2000 at 50/s, hold at 20', 'count to 60 at 50/s');
  const edited = [you('count to 60 at 50/s'), assistant(count(60))];
  await expectConversation([asker, editor], edited);

  await asker.send('count to 10 at 50/s');
  const turns = [...edited, you('count to 10 at 50/s'), assistant(count(10))];
  await expectConversation([asker, editor], turns);
  await asker.reload();
  await expectConversation([asker, editor], turns);
});

test('an edit that is cancelled changes nothing', async ({ openTab }) => {
  const tab = await openTab();
  await tab.send('count to 5 at 50/s');
  const conversation = [you('count to 5 at 50/s'), assistant(count(5))];
  await expectConversation([tab], conversation);
  await tab.pressOn('You', 'count to 5 at 50/s', 'Edit');
  await tab.page.getByRole('textbox', { name: 'Your text' }).fill('something else');
  await tab.press('Cancel');
  await expectConversation([tab], conversation);
  expect(tab.posts).toEqual(['submit-message']);
});

test('an edit from another tab of the browser needs no other connection', async ({ openTab }) => {
  const asker = await openTab();
  const editor = await openTab({ beside: asker });
  const open = openRequests(asker.page.context());
  await asker.send('count to 2000 at 50/s');
  await editor.expectCounted(20);
  // The first tab's POST. The tabs share a subscription that began before.
  expect(open.size).toBeLessThanOrEqual(1);
  await editor.edit('count to 2000 at 50/s', 'count to 60 at 50/s');
  await expect.poll(async () => (await editor.messages())[0]).toEqual(you('count to 60 at 50/s'));
  await editor.expectCounted(30);
  await expect.poll(() => open.size).toBeLessThanOrEqual(1);
  await expectConversation([asker, editor], [you('count to 60 at 50/s'), assistant(count(60))]);
});
