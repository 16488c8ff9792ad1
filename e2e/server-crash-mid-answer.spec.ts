import { expect, type Page } from '@playwright/test';
import { assistant, count, expectConversation, expectStopped, you } from './support/conversation.ts';
import type { Demo } from './support/demo.ts';
import { test } from './support/test.ts';

const broken = /net::ERR_(CONNECTION_|INCOMPLETE_CHUNKED_ENCODING|EMPTY_RESPONSE|SOCKET_NOT_CONNECTED)/;
/** The dead producer's lease of 15 s has to end first. */
const noticed = { timeout: 40_000 };

const interrupted = (page: Page) => page.getByText('Interrupted: the server process ended');

async function crash(demo: Demo): Promise<void> {
  await demo.kill();
  await demo.start();
}

test('after a crash of the server during an answer, its part so far is kept and the next run works', async ({
  openTab,
  demo,
  expectProblems,
}) => {
  expectProblems(broken);
  const question = 'count to 2000 at 50/s, hold at 40';
  const tab = await openTab();
  const other = await openTab();
  await tab.send(question);
  for (const one of [tab, other]) await one.expectHeldAt(40);
  await crash(demo);
  for (const one of [tab, other]) await expect(interrupted(one.page)).toBeVisible(noticed);
  const begun = await expectStopped([tab, other], question, 2000);
  expect(begun).toBe(count(40));

  await tab.send('count to 30 at 50/s');
  const turns = [you(question), assistant(begun), you('count to 30 at 50/s'), assistant(count(30))];
  await expectConversation([tab, other], turns);
  await other.reload();
  await expectConversation([tab, other, await openTab()], turns);
  for (const one of [tab, other]) await expect(interrupted(one.page)).toBeVisible();
});

test('an answer that a crash interrupted is there after a reload, and any tab can regenerate it', async ({
  openTab,
  demo,
  release,
  expectProblems,
}) => {
  expectProblems(broken);
  const question = 'count to 300 at 50/s, hold at 40';
  const tab = await openTab();
  await tab.send(question);
  await tab.expectHeldAt(40);
  await crash(demo);
  // No viewer watches while the lease ends.
  await tab.reload();
  const other = await openTab();
  for (const one of [tab, other]) {
    await expect(interrupted(one.page)).toBeVisible(noticed);
    // The button is visible without hovering.
    await expect(one.page.getByRole('button', { name: 'Regenerate', exact: true })).toBeVisible();
  }
  await expectStopped([tab, other], question, 300);
  await other.press('Regenerate');
  release();
  await expectConversation([tab, other], [you(question), assistant(count(300))]);
  for (const one of [tab, other]) await expect(interrupted(one.page)).toHaveCount(0);
});

test('after a crash of the server during a tool call, the call has failed and the next run works', async ({
  openTab,
  demo,
  expectProblems,
}) => {
  expectProblems(broken);
  const tab = await openTab();
  await tab.send('weather in Lisbon');
  await expect.poll(() => tab.tools()).toHaveLength(1);
  await crash(demo);
  await expect(interrupted(tab.page)).toBeVisible(noticed);
  await tab.send('count to 30 at 50/s');
  await expect.poll(() => tab.answerText()).toBe(count(30));
});
