// What the pages must show of a conversation, with the exact text.
import { expect } from '@playwright/test';
import { count } from './count.ts';
import type { ShownMessage, ShownTool, Tab } from './tab.ts';

export { count };

export const you = (text: string): ShownMessage => ({ author: 'You', text });
export const assistant = (text: string): ShownMessage => ({ author: 'Assistant', text });

/** The scripted model's answers to the outputs of the demo's tools. */
export const rainy = 'It is 15 °C and rainy in Lisbon.';
export const here = 'You are in Lisbon.';
export const booked = 'Your table for 2 at 20:00 is booked, reference 2000-2.';
export const notBooked = 'You denied the booking. Nothing has been booked.';

/** Every tab becomes ready with exactly these messages. */
export async function expectConversation(
  tabs: readonly Tab[],
  messages: readonly ShownMessage[],
): Promise<void> {
  for (const tab of tabs) await expect.poll(() => tab.messages()).toEqual(messages);
  await expectReady(tabs);
  // Also when ready: nothing after the last chunk may change the text.
  for (const tab of tabs) expect(await tab.messages()).toEqual(messages);
}

/** Every tab shows exactly these tool calls. */
export async function expectTools(tabs: readonly Tab[], tools: readonly ShownTool[]): Promise<void> {
  for (const tab of tabs) await expect.poll(() => tab.tools()).toEqual(tools);
}

/** How often the tabs have posted a body with this trigger. */
export function posted(tabs: readonly Tab[], trigger: string): number {
  return tabs.flatMap(({ posts }) => posts).filter((one) => one === trigger).length;
}

export async function expectReady(tabs: readonly Tab[]): Promise<void> {
  for (const tab of tabs) await tab.expectStatus('ready');
}

/**
 * Every tab becomes ready with the same messages. The last one is the beginning of a count to `n` that ends between two
 * numbers. Resolves with its text.
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
