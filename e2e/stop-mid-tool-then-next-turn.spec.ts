import { assistant, count, expectConversation, expectTools, rainy, you } from './support/conversation.ts';
import { test } from './support/test.ts';

for (const who of ['the same tab', 'another tab'] as const) {
  test(`Stop in ${who} while a tool runs, and the next runs work`, async ({ openTab, release }) => {
    const asker = await openTab();
    const other = await openTab();
    await asker.send('weather in Lisbon');
    await expectTools([asker, other], [{ title: 'Weather in Lisbon', state: 'running' }]);
    await (who === 'another tab' ? other : asker).stop();
    const stopped = [you('weather in Lisbon'), assistant('')];
    await expectConversation([asker, other], stopped);
    await expectTools([asker, other], [{ title: 'Weather in Lisbon', state: 'failed' }]);

    await asker.send('count to 20 at 50/s');
    const next = [...stopped, you('count to 20 at 50/s'), assistant(count(20))];
    await expectConversation([asker, other], next);
    await other.send('weather in Lisbon');
    release();
    const turns = [...next, you('weather in Lisbon'), assistant(rainy)];
    await expectConversation([asker, other], turns);
    await asker.reload();
    await expectConversation([asker, other], turns);
    await expectTools(
      [asker, other],
      [
        { title: 'Weather in Lisbon', state: 'failed' },
        { title: 'Weather in Lisbon', state: 'done' },
      ],
    );
  });
}
