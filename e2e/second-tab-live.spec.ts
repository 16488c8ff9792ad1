import { expect } from '@playwright/test';
import { assistant, count, expectConversation, you } from './support/conversation.ts';
import { test } from './support/test.ts';

test('a second tab and another device see the answer as it is written', async ({ openTab }) => {
  const first = await openTab();
  const second = await openTab({ beside: first });
  const device = await openTab();
  await first.send('count to 150 at 50/s');
  for (const tab of [second, device]) {
    await tab.expectCounted(10);
    expect(await tab.status()).toBe('streaming');
  }

  const tabs = [first, second, device];
  await expectConversation(tabs, [you('count to 150 at 50/s'), assistant(count(150))]);
  for (const tab of tabs) {
    await tab.expectNoStepBack();
    // Live means in many small steps; at 50 a second, three seconds have room for far more than these.
    expect(await tab.steps()).toBeGreaterThan(15);
  }
});

test('the conversation goes on from the other device', async ({ openTab }) => {
  const phone = await openTab();
  const desk = await openTab();
  await phone.send('count to 20 at 50/s');
  const first = [you('count to 20 at 50/s'), assistant(count(20))];
  await expectConversation([phone, desk], first);
  await desk.send('count to 30 at 50/s');
  const both = [...first, you('count to 30 at 50/s'), assistant(count(30))];
  await expectConversation([phone, desk], both);
});
