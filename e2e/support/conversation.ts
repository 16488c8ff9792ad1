// What conversations have to look like, word for word.
import { expect } from '@playwright/test';
import type { ShownMessage, ShownTool, Tab } from './tab.ts';

export const you = (text: string): ShownMessage => ({ author: 'You', text });
export const assistant = (text: string): ShownMessage => ({ author: 'Assistant', text });

/** What the demo's tools tell, and what the scripted model makes of it. */
export const rainy = 'It is 15 °C and rainy in Lisbon.';
export const here = 'You are in Lisbon.';
export const booked = 'Your table for 2 at 20:00 is booked, reference 2000-2.';
export const notBooked = 'I am sorry that this was not to your liking. Nothing has been booked.';

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

/** Every tab shows exactly these tool calls. */
export async function expectTools(tabs: readonly Tab[], tools: readonly ShownTool[]): Promise<void> {
  for (const tab of tabs) await expect.poll(() => tab.tools()).toEqual(tools);
}

/** How often the tabs have posted this. */
export function posted(tabs: readonly Tab[], trigger: string): number {
  return tabs.flatMap(({ posts }) => posts).filter((one) => one === trigger).length;
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
