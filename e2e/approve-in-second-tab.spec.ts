import { expect } from '@playwright/test';
import {
  assistant,
  booked,
  count,
  expectConversation,
  expectTools,
  notBooked,
  posted,
  you,
} from './support/conversation.ts';
import { isChat } from './support/connections.ts';
import { test } from './support/test.ts';

const title = 'Book a table for 2 at 20:00';

test('a tool call can be approved in another tab, and is executed once', async ({ openTab }) => {
  const asker = await openTab();
  const other = await openTab();
  await asker.send('book a table');
  await expectTools([asker, other], [{ title, state: 'waiting for you' }]);
  await expectConversation([asker, other], [you('book a table'), assistant('')]);
  await other.press('Approve');

  await expectConversation([asker, other], [you('book a table'), assistant(booked)]);
  await expectTools([asker, other], [{ title, state: 'done' }]);
  expect(posted([asker, other], 'submit-message')).toBe(2);
  await asker.reload();
  await expectConversation([asker, other, await openTab()], [you('book a table'), assistant(booked)]);
  expect(posted([asker, other], 'tool-outcome')).toBe(1);
  expect(posted([asker, other], 'submit-message')).toBe(2);
});

test('a tool call that waits for approval still waits after a reload, and can be denied', async ({
  openTab,
}) => {
  const asker = await openTab();
  const other = await openTab();
  await asker.send('book a table');
  await expectTools([asker, other], [{ title, state: 'waiting for you' }]);
  await asker.reload();
  await expectTools([asker, other], [{ title, state: 'waiting for you' }]);
  await asker.press('Deny');

  const denied = [you('book a table'), assistant(notBooked)];
  await expectConversation([asker, other], denied);
  await expectTools([asker, other], [{ title, state: 'denied' }]);
  await other.send('count to 20 at 50/s');
  const turns = [...denied, you('count to 20 at 50/s'), assistant(count(20))];
  await expectConversation([asker, other], turns);
});

test('a tool call that is approved in two tabs at once is executed once', async ({
  openTab,
  expectProblems,
}) => {
  // The browser logs the 409 of the second answer.
  expectProblems(/status of 409/);
  const asker = await openTab();
  const other = await openTab();
  await asker.send('book a table');
  await expectTools([asker, other], [{ title, state: 'waiting for you' }]);
  let release = () => {};
  const pressed = new Promise<void>((resolve) => (release = resolve));
  for (const tab of [asker, other]) {
    // Both requests are held until both buttons are pressed: the first answer would remove the second button.
    await tab.page.route(isChat, async (route) => {
      if (route.request().method() === 'POST') await pressed;
      await route.continue();
    });
    await tab.press('Approve');
  }
  release();
  await expectConversation([asker, other], [you('book a table'), assistant(booked)]);
  await expectTools([asker, other], [{ title, state: 'done' }]);
  expect(posted([asker, other], 'tool-outcome')).toBe(2);
  expect(posted([asker, other], 'submit-message')).toBe(2);
});

test('a message instead of an approval denies the tool call in every tab', async ({ openTab }) => {
  const asker = await openTab();
  const other = await openTab();
  await asker.send('book a table');
  await expectTools([asker, other], [{ title, state: 'waiting for you' }]);
  await other.send('count to 5');
  await expect.poll(() => asker.answerText()).toBe(count(5));
  await expectTools([asker, other], [{ title, state: 'denied' }]);
});
