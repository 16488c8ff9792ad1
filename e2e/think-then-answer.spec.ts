import { expect } from '@playwright/test';
import { assistant, expectConversation, you } from './support/conversation.ts';
import type { Tab } from './support/tab.ts';
import { test } from './support/test.ts';

const turn = [
  you('think about snow, hold at 5'),
  assistant('I have thought about snow. It is simpler than it seems.'),
];

test('reasoning comes first, is the same in every tab, and survives a reload', async ({
  openTab,
  release,
}) => {
  const tab = await openTab();
  const other = await openTab();
  await tab.send('think about snow, hold at 5');
  for (const one of [tab, other]) await expect(one.page.getByText('Thinking…')).toBeVisible();
  await tab.page.reload();
  release();
  await expectConversation([tab, other], turn);

  const thoughts = await thoughtsOf(tab);
  expect(thoughts).toMatch(/^The user asks me to think about snow\. .* The answer is short\.$/);
  expect(await thoughtsOf(other)).toBe(thoughts);
  await other.reload();
  await expectConversation([tab, other], turn);
  expect(await thoughtsOf(other)).toBe(thoughts);
});

/** Expands the reasoning, reads it, and collapses it again. */
async function thoughtsOf({ page }: Tab): Promise<string> {
  const fold = page.getByText('Thoughts', { exact: true });
  await fold.click();
  const thoughts = await page.getByTestId('thoughts').innerText();
  await fold.click();
  return thoughts;
}
