import { expect, type Page } from '@playwright/test';
import { assistant, expectConversation, expectTools, here, posted, you } from './support/conversation.ts';
import { test } from './support/test.ts';

const turn = [you('where am I'), assistant(here)];
const asked = { title: 'Your location', state: 'running' };
const done = { title: 'Your location', state: 'done' };

// Until its reload, the page itself refuses these requests. `page.route` cannot: when a page closes, Chromium sends a
// request that waits there to the server.

/** The page executes its tools, but none of its tool outputs leaves the page. */
async function dropOutputs(page: Page): Promise<void> {
  await page.evaluate(() => {
    const { fetch } = window;
    window.fetch = async (...request) => {
      if (JSON.stringify(request[1]?.body ?? '').includes('tool-outcome'))
        throw new TypeError('Failed to fetch');
      return fetch(...request);
    };
  });
}

/** The page sends a tool output, and nothing after it. */
async function sendNothingAfter(page: Page): Promise<void> {
  await page.evaluate(() => {
    const { fetch } = window;
    let answered = false;
    window.fetch = async (...request) => {
      if (answered) throw new TypeError('Failed to fetch');
      answered = JSON.stringify(request[1]?.body ?? '').includes('tool-outcome');
      return fetch(...request);
    };
  });
}

test('a client tool whose tab is closed runs once, in another tab', async ({ openTab }) => {
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

test('a client tool runs after a reload', async ({ openTab }) => {
  const asker = await openTab();
  await dropOutputs(asker.page);
  await asker.send('where am I');
  await expectTools([asker], [asked]);
  await asker.reload();
  await expect.poll(() => asker.messages(), { timeout: 30_000 }).toEqual(turn);
  await expectConversation([asker], turn);
});

test('the answer continues in another tab after its tab was closed right after a client tool', async ({
  openTab,
}) => {
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
