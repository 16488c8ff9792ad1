import { expect } from '@playwright/test';
import { assistant, count, expectConversation, you } from './support/conversation.ts';
import { test } from './support/test.ts';

for (const who of ['the same tab', 'another tab'] as const) {
  test(`Send now in ${who} stops the answer, keeps its beginning, and is answered`, async ({ openTab }) => {
    const question = 'count to 2000 at 50/s, hold at 30';
    const asker = await openTab();
    const other = await openTab();
    const urgent = who === 'another tab' ? other : asker;
    await asker.send(question);
    await urgent.expectHeldAt(30);
    await urgent.type('count to 60 at 50/s');
    await urgent.press('Send now');

    await expect.poll(async () => (await other.messages()).at(-1)?.text).toBe(count(60));
    const turns = [you(question), assistant(count(30)), you('count to 60 at 50/s'), assistant(count(60))];
    await expectConversation([asker, other], turns);
    await asker.reload();
    await expectConversation([asker, other, await openTab()], turns);
  });
}
