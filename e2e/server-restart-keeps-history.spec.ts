import { assistant, count, expectConversation, you } from './support/conversation.ts';
import { test } from './support/test.ts';

test('after a restart of the server the history is there, and a new turn works', async ({
  openTab,
  demo,
  expectProblems,
}) => {
  expectProblems(/net::ERR_(CONNECTION_|INCOMPLETE_CHUNKED_ENCODING|EMPTY_RESPONSE|SOCKET_NOT_CONNECTED)/);
  const tab = await openTab();
  const other = await openTab();
  await tab.send('count to 50 at 50/s');
  const history = [you('count to 50 at 50/s'), assistant(count(50))];
  await expectConversation([tab, other], history);

  await demo.kill();
  for (const one of [tab, other]) await one.expectConnection('Reconnecting…');
  await demo.start();
  await expectConversation([tab, other], history);
  await tab.reload();
  await other.expectConnection('Connected');
  await expectConversation([tab, other], history);

  await tab.send('count to 60 at 50/s');
  const turns = [...history, you('count to 60 at 50/s'), assistant(count(60))];
  await expectConversation([tab, other], turns);
  await other.send('count to 10 at 50/s');
  const more = [...turns, you('count to 10 at 50/s'), assistant(count(10))];
  await expectConversation([tab, other, await openTab()], more);
});
