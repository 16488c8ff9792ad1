// What conversations have to look like, word for word.
import { expect } from '@playwright/test';
import type { ShownMessage, Tab } from './tab.ts';

export const you = (text: string): ShownMessage => ({ author: 'You', text });
export const assistant = (text: string): ShownMessage => ({ author: 'Assistant', text });

/** What the scripted model answers to `count to <n>`. */
export function count(n: number): string {
  return Array.from({ length: n }, (_, index) => String(index + 1)).join(' ');
}

/** Every tab ends at rest with exactly these messages. */
export async function expectConversation(
  tabs: readonly Tab[],
  messages: readonly ShownMessage[],
): Promise<void> {
  for (const tab of tabs) await expect.poll(() => tab.messages()).toEqual(messages);
  await expectReady(tabs);
  // At rest, too: what comes after the last chunk must not change a word.
  for (const tab of tabs) expect(await tab.messages()).toEqual(messages);
}

export async function expectReady(tabs: readonly Tab[]): Promise<void> {
  for (const tab of tabs)
    await expect(tab.page.locator('[data-status]')).toHaveAttribute('data-status', 'ready');
}

/**
 * Every tab comes to rest with the same messages, of which the last is the beginning of a count to `n`, cut
 * between two numbers. Resolves with it.
 */
export async function expectStopped(tabs: readonly Tab[], question: string, n: number): Promise<string> {
  await expectReady(tabs);
  await expect
    .poll(
      async () =>
        new Set(await Promise.all(tabs.map(async (tab) => JSON.stringify(await tab.messages())))).size,
    )
    .toBe(1);
  const [tab] = tabs;
  const text = (await tab?.answerText()) ?? '';
  const counted = text.split(' ').length;
  expect(counted).toBeLessThan(n);
  expect(text).toBe(count(counted));
  await expectConversation(tabs, [you(question), assistant(text)]);
  return text;
}
