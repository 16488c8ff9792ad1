import { expect } from '@playwright/test';
import { assistant, count, expectConversation, posted, you } from './support/conversation.ts';
import { test } from './support/test.ts';

test('Regenerate in another tab writes a new answer in both', async ({ openTab, release }) => {
  const asker = await openTab();
  const other = await openTab();
  const question = 'count to 100 at 50/s, hold at 20';
  await asker.send(question);
  release();
  const turn = [you(question), assistant(count(100))];
  await expectConversation([asker, other], turn);

  await other.pressOn('Assistant', count(100), 'Regenerate');
  await asker.expectHeldAt(20);
  release();
  await expectConversation([asker, other], turn);
  expect(posted([asker, other], 'regenerate-message')).toBe(1);
  await asker.reload();
  await expectConversation([asker, other, await openTab()], turn);
});

test('Regenerate of an earlier answer removes what followed', async ({ openTab }) => {
  const asker = await openTab();
  const other = await openTab();
  await asker.send('count to 20 at 50/s');
  const turn = [you('count to 20 at 50/s'), assistant(count(20))];
  await expectConversation([asker, other], turn);
  await asker.send('count to 2000 at 50/s, hold at 30');
  await other.expectHeldAt(30);

  await other.pressOn('Assistant', count(20), 'Regenerate');
  await expectConversation([asker, other], turn);
  await asker.send('count to 30 at 50/s');
  const turns = [...turn, you('count to 30 at 50/s'), assistant(count(30))];
  await expectConversation([asker, other], turns);
  await other.reload();
  await expectConversation([asker, other], turns);
});
