import { expect, type Page } from '@playwright/test';
import { assistant, count, expectConversation, you } from './support/conversation.ts';
import { test } from './support/test.ts';

test('when the tab with the connection freezes, the other tabs notice within ten seconds', async ({
  openTab,
  release,
}) => {
  const frozen = await openTab();
  const follower = await openTab({ beside: frozen });
  const other = await openTab();
  const question = 'count to 250 at 50/s, hold at 30, 60';
  await other.send(question);
  for (const tab of [frozen, follower, other]) await tab.expectHeldAt(30);

  // As in a debugger: its connection stays open, it holds its lock, and it sends nothing.
  const debug = await frozen.page.context().newCDPSession(frozen.page);
  await debug.send('Debugger.enable');
  const paused = new Promise((resolve) => debug.once('Debugger.paused', resolve));
  await debug.send('Debugger.pause');
  await paused;
  const shown = await recordConnection(follower.page);
  release();
  await expect(follower.answer).toHaveText(count(60), { timeout: 10_000 });
  expect(await shown()).toContain('Reconnecting…');

  await debug.send('Debugger.disable');
  release();
  await expectConversation([frozen, follower, other], [you(question), assistant(count(250))]);
  for (const tab of [follower, other]) await tab.expectNoStepBack();
});

/** Records the connection states that the page shows. The result reads the record. */
async function recordConnection(page: Page): Promise<() => Promise<readonly string[]>> {
  const said = await page.evaluateHandle(() => {
    const words: string[] = [];
    const status = document.querySelector('[role=status]')!;
    new MutationObserver(() => words.push(status.textContent ?? '')).observe(status, {
      subtree: true,
      childList: true,
      characterData: true,
    });
    return words;
  });
  return () => said.jsonValue();
}
