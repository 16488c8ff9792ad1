import { assistant, count, expectConversation, you } from './support/conversation.ts';
import { test } from './support/test.ts';

test('a double click on Send sends once and stops nothing', async ({ openTab }) => {
  const tab = await openTab();
  const other = await openTab();
  await tab.type('count to 60 at 50/s');
  await tab.page.getByRole('button', { name: 'Send' }).dblclick();
  await expectConversation([tab, other], [you('count to 60 at 50/s'), assistant(count(60))]);
  await tab.reload();
  await expectConversation([tab, other], [you('count to 60 at 50/s'), assistant(count(60))]);
});
