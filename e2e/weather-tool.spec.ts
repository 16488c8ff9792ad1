import { expect } from '@playwright/test';
import { assistant, expectConversation, expectTools, rainy, you } from './support/conversation.ts';
import { test } from './support/test.ts';

test('an answer in two steps survives a reload while its tool runs', async ({ openTab, release }) => {
  const tab = await openTab();
  const other = await openTab();
  await tab.send('weather in Lisbon');
  await expectTools([tab, other], [{ title: 'Weather in Lisbon', state: 'running' }]);
  await tab.page.reload();
  await expectTools([tab], [{ title: 'Weather in Lisbon', state: 'running' }]);
  expect(await tab.status()).toBe('streaming');
  release();

  const turn = [you('weather in Lisbon'), assistant(rainy)];
  await expectConversation([tab, other], turn);
  await expectTools([tab, other], [{ title: 'Weather in Lisbon', state: 'done' }]);
  await other.reload();
  await expectConversation([tab, other, await openTab()], turn);
  await expectTools([tab, other], [{ title: 'Weather in Lisbon', state: 'done' }]);
});

test('a tool that fails is shown as failed, and the answer continues', async ({ openTab, release }) => {
  const tab = await openTab();
  const other = await openTab();
  await tab.send('weather in Atlantis');
  release();
  const turn = [you('weather in Atlantis'), assistant('I could not get the weather in Atlantis.')];
  await expectConversation([tab, other], turn);
  await expectTools([tab, other], [{ title: 'Weather in Atlantis', state: 'failed' }]);

  await other.send('weather in Lisbon');
  release();
  const turns = [...turn, you('weather in Lisbon'), assistant(rainy)];
  await expectConversation([tab, other], turns);
});
