import { expect, type Page } from '@playwright/test';
import { assistant, expectConversation, expectTools, here, posted, you } from './support/conversation.ts';
import { test } from './support/test.ts';

const turn = [you('where am I'), assistant(here)];
const asked = { title: 'Your location', state: 'running' };
const told = { title: 'Your location', state: 'done' };

/** The page executes its tools, and no word of it gets out. */
async function keepSilent(page: Page): Promise<void> {
  await page.route('**/api/chat', (route) => {
    const { trigger } = (route.request().postDataJSON() ?? {}) as { trigger?: string };
    return trigger === 'tool-outcome' ? route.abort() : route.continue();
  });
}

/** The page's answers get through, and nothing after them. */
async function sendNothingAfter(page: Page): Promise<void> {
  let answered = false;
  await page.route('**/api/chat', (route) => {
    const { trigger } = (route.request().postDataJSON() ?? {}) as { trigger?: string };
    if (answered) return route.abort();
    answered = trigger === 'tool-outcome';
    return route.continue();
  });
}

test('a tool of the page whose tab is closed runs in one of the others, and once', async ({
  openTab,
  expectProblems,
}) => {
  expectProblems(/net::ERR_FAILED/);
  const asker = await openTab();
  const others = [await openTab({ beside: asker }), await openTab()];
  await keepSilent(asker.page);
  await asker.send('where am I');
  await expectTools(others, [asked]);
  await asker.page.close();
  for (const other of others) {
    await expect.poll(() => other.messages(), { timeout: 30_000 }).toEqual(turn);
  }
  await expectConversation(others, turn);
  await expectTools(others, [told]);
  expect(posted(others, 'tool-outcome')).toBe(1);
  expect(posted(others, 'submit-message')).toBe(1);
});

test('a tool of the page goes on after a reload', async ({ openTab, expectProblems }) => {
  expectProblems(/net::ERR_FAILED/);
  const asker = await openTab();
  await keepSilent(asker.page);
  await asker.send('where am I');
  await expectTools([asker], [asked]);
  await asker.page.unroute('**/api/chat');
  await asker.reload();
  await expect.poll(() => asker.messages(), { timeout: 30_000 }).toEqual(turn);
  await expectConversation([asker], turn);
});

test('the answer goes on when its tab was closed right after a tool of the page', async ({
  openTab,
  expectProblems,
}) => {
  expectProblems(/net::ERR_FAILED/);
  const asker = await openTab();
  const other = await openTab();
  await sendNothingAfter(asker.page);
  await asker.send('where am I');
  await expectTools([other], [told]);
  await asker.page.close();
  await expect.poll(() => other.messages(), { timeout: 30_000 }).toEqual(turn);
  await expectConversation([other], turn);
  expect(posted([other], 'submit-message')).toBe(1);
});
