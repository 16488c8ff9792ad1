import { expect, type Page } from '@playwright/test';
import { assistant, expectConversation, expectTools, here, posted, you } from './support/conversation.ts';
import { isChat } from './support/connections.ts';
import { test } from './support/test.ts';

const turn = [you('where am I'), assistant(here)];
const asked = { title: 'Your location', state: 'running' };
const done = { title: 'Your location', state: 'done' };

/** The page executes its tools, but none of its tool outputs reaches the server. */
async function dropOutputs(page: Page): Promise<void> {
  await page.route(isChat, (route) => {
    const { trigger } = (route.request().postDataJSON() ?? {}) as { trigger?: string };
    return trigger === 'tool-outcome' ? route.abort() : route.continue();
  });
}

/** The page's tool outputs reach the server, and nothing after them does. */
async function sendNothingAfter(page: Page): Promise<void> {
  let answered = false;
  await page.route(isChat, (route) => {
    const { trigger } = (route.request().postDataJSON() ?? {}) as { trigger?: string };
    if (answered) return route.abort();
    answered = trigger === 'tool-outcome';
    return route.continue();
  });
}

test('a client tool whose tab is closed runs once, in another tab', async ({ openTab, expectProblems }) => {
  expectProblems(/net::ERR_FAILED/);
  const asker = await openTab();
  const others = [await openTab({ beside: asker }), await openTab()];
  await dropOutputs(asker.page);
  await asker.send('where am I');
  await expectTools(others, [asked]);
  await asker.page.close();
  for (const other of others) {
    await expect.poll(() => other.messages(), { timeout: 30_000 }).toEqual(turn);
  }
  await expectConversation(others, turn);
  await expectTools(others, [done]);
  expect(posted(others, 'tool-outcome')).toBe(1);
  expect(posted(others, 'submit-message')).toBe(1);
});

test('a client tool runs after a reload', async ({ openTab, expectProblems }) => {
  expectProblems(/net::ERR_FAILED/);
  const asker = await openTab();
  await dropOutputs(asker.page);
  await asker.send('where am I');
  await expectTools([asker], [asked]);
  await asker.page.unroute(isChat);
  await asker.reload();
  await expect.poll(() => asker.messages(), { timeout: 30_000 }).toEqual(turn);
  await expectConversation([asker], turn);
});

test('the answer continues in another tab after its tab was closed right after a client tool', async ({
  openTab,
  expectProblems,
}) => {
  expectProblems(/net::ERR_FAILED/);
  const asker = await openTab();
  const other = await openTab();
  await sendNothingAfter(asker.page);
  await asker.send('where am I');
  await expectTools([other], [done]);
  await asker.page.close();
  await expect.poll(() => other.messages(), { timeout: 30_000 }).toEqual(turn);
  await expectConversation([other], turn);
  expect(posted([other], 'submit-message')).toBe(1);
});
