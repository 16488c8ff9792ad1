import { expect } from '@playwright/test';
import { assistant, count, expectConversation, expectStopped, you } from './support/conversation.ts';
import { test } from './support/test.ts';

test('a crash of the server in the middle of an answer leaves its beginning, and the next turn works', async ({
  openTab,
  demo,
  expectProblems,
}) => {
  expectProblems(/net::ERR_(CONNECTION_|INCOMPLETE_CHUNKED_ENCODING|EMPTY_RESPONSE|SOCKET_NOT_CONNECTED)/);
  const question = 'count to 2000 at 50/s';
  const tab = await openTab();
  const other = await openTab();
  await tab.send(question);
  await other.expectCounted(40);
  await demo.kill();
  await demo.start();
  // The dead producer's lease has to run out first.
  await expect.poll(() => other.status(), { timeout: 30_000 }).toBe('ready');
  const begun = await expectStopped([tab, other], question, 2000);
  expect(begun.startsWith(count(40))).toBe(true);

  await tab.send('count to 30 at 50/s');
  const turns = [you(question), assistant(begun), you('count to 30 at 50/s'), assistant(count(30))];
  await expectConversation([tab, other], turns);
  await other.reload();
  await expectConversation([tab, other, await openTab()], turns);
});
