import { expect } from '@playwright/test';
import { assistant, count, expectConversation, posted, you } from './support/conversation.ts';
import type { Tab } from './support/tab.ts';
import { test } from './support/test.ts';

const long = 'count to 300 at 50/s, hold at 10';

test('a message sent during an answer waits for its turn, also after a reload', async ({
  openTab,
  release,
}) => {
  const asker = await openTab();
  const other = await openTab();
  await asker.send(long);
  await other.expectHeldAt(10);
  await other.send('count to 20 at 50/s');
  await expectWaiting([asker, other], ['count to 20 at 50/s']);
  await asker.send('count to 30 at 50/s');
  await expectWaiting([asker, other], ['count to 20 at 50/s', 'count to 30 at 50/s']);
  await other.reload();
  await expectWaiting([asker, other], ['count to 20 at 50/s', 'count to 30 at 50/s']);
  // The waiting messages do not delay the running answer.
  await other.expectHeldAt(10);
  release();

  const turns = [
    ...[you(long), assistant(count(300))],
    ...[you('count to 20 at 50/s'), assistant(count(20))],
    ...[you('count to 30 at 50/s'), assistant(count(30))],
  ];
  await expectConversation([asker, other], turns);
  await expectWaiting([asker, other], []);
  expect(posted([asker, other], 'submit-message')).toBe(3);
  await asker.reload();
  await expectConversation([asker, other, await openTab()], turns);
});

test('a waiting message can be withdrawn by its sender and from another tab, also after a reload', async ({
  openTab,
  release,
}) => {
  const asker = await openTab();
  const other = await openTab();
  await asker.send(long);
  await other.expectHeldAt(10);
  await other.send('count to 20 at 50/s');
  await expectWaiting([asker, other], ['count to 20 at 50/s']);
  await other.pressOn('You', 'count to 20 at 50/s', 'Withdraw');
  await expectWaiting([asker, other], []);
  await expectSent([asker, other], [long]);

  await other.send('count to 21 at 50/s');
  await expectWaiting([asker, other], ['count to 21 at 50/s']);
  await other.reload();
  await asker.pressOn('You', 'count to 21 at 50/s', 'Withdraw');
  await expectWaiting([asker, other], []);
  await expectSent([asker, other], [long]);

  await other.send('count to 22 at 50/s');
  await expectWaiting([asker, other], ['count to 22 at 50/s']);
  await other.reload();
  await other.pressOn('You', 'count to 22 at 50/s', 'Withdraw');
  await expectSent([asker, other], [long]);

  release();
  const turn = [you(long), assistant(count(300))];
  await expectConversation([asker, other], turn);
  for (const tab of [asker, other]) await tab.expectNoStepBack();
  await other.send('count to 10 at 50/s');
  const turns = [...turn, you('count to 10 at 50/s'), assistant(count(10))];
  await expectConversation([asker, other], turns);
  await asker.reload();
  await expectConversation([asker, other], turns);
});

/** Every tab shows exactly these messages as waiting. */
async function expectWaiting(tabs: readonly Tab[], texts: readonly string[]): Promise<void> {
  for (const { page } of tabs) {
    const waiting = page
      .getByRole('article', { name: 'You' })
      .filter({ has: page.getByRole('button', { name: 'Withdraw' }) });
    await expect(waiting.getByTestId('text')).toHaveText([...texts]);
  }
}

/** Every tab shows exactly these user messages. */
async function expectSent(tabs: readonly Tab[], texts: readonly string[]): Promise<void> {
  for (const { page } of tabs) {
    await expect(page.getByRole('article', { name: 'You' }).getByTestId('text')).toHaveText([...texts]);
  }
}
