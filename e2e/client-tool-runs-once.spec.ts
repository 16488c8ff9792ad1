import { expect } from '@playwright/test';
import { assistant, expectConversation, expectTools, here, posted, you } from './support/conversation.ts';
import { test } from './support/test.ts';

test('with three tabs open, a client tool runs once, in the tab that asked', async ({ openTab }) => {
  const asker = await openTab();
  const tabs = [asker, await openTab({ beside: asker }), await openTab()];
  await asker.send('where am I');
  await expectConversation(tabs, [you('where am I'), assistant(here)]);
  await expectTools(tabs, [{ title: 'Your location', state: 'done' }]);
  // One question and one continuation, both from the tab that asked.
  expect(posted(tabs, 'submit-message')).toBe(2);
  expect(posted([asker], 'submit-message')).toBe(2);
  expect(posted(tabs, 'tool-outcome')).toBe(1);

  await asker.reload();
  await expectConversation(tabs, [you('where am I'), assistant(here)]);
  await tabs[2]!.send('where am I');
  const turns = [you('where am I'), assistant(here), you('where am I'), assistant(here)];
  await expectConversation(tabs, turns);
  await expectTools(tabs, [
    { title: 'Your location', state: 'done' },
    { title: 'Your location', state: 'done' },
  ]);
  expect(posted(tabs, 'submit-message')).toBe(4);
  expect(posted(tabs, 'tool-outcome')).toBe(2);
});
