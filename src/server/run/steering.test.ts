import type { UIMessage } from 'ai';
import { expect, it } from 'vitest';
import type { Channel } from '../../channel/channel.ts';
import { entries } from '../../protocol/entries.ts';
import { DurableChatError } from '../../protocol/errors.ts';
import { followSession } from '../../test/fixtures/session.fixture.ts';
import { createSteering } from './steering.ts';

/** A run, and a message that was sent to steer it, on a store that fails on request. */
async function waiting() {
  const store = { isDown: false };
  const here = followSession((channel): Channel => ({
    ...channel,
    append: (...args) =>
      store.isDown ? Promise.reject(new DurableChatError('store_failed', 'Down.')) : channel.append(...args),
  }));
  await here.begin('running');
  const message: UIMessage = { id: 'u2', role: 'user', parts: [{ type: 'text', text: 'in Texas' }] };
  const run = {
    runId: 'waits',
    messageId: 'a2',
    userMessageId: 'u2',
    trigger: 'submit-message',
    at: 0,
    steer: true,
  } as const;
  const frames = [{ type: 'message', message } as const];
  await here.channel.append('s', entries.start(run, { frames, when: [], epoch: '' }), {});
  await here.session.refresh();
  return { ...here, store, ...createSteering(here.session, { runId: 'running', messageId: 'of running' }) };
}

it('G8: takeMessages does not wait for a failing store; the message then has its own turn too', async () => {
  const { run, settle, store, session, time } = await waiting();
  store.isDown = true;
  expect(await run.takeMessages()).toMatchObject([
    { role: 'user', content: [{ type: 'text', text: 'in Texas' }] },
  ]);
  expect(await run.takeMessages()).toEqual([]);
  const settled = settle();
  await time.advance(10_000);
  await settled;
  store.isDown = false;
  await session.refresh();
  expect(session.state.active).toMatchObject([{ runId: 'running' }, { runId: 'waits' }]);
});

it('a taken message needs no turn, once the store has the record', async () => {
  const { run, settle, session } = await waiting();
  await run.takeMessages();
  await settle();
  await session.refresh();
  expect(session.state.active.map(({ runId }) => runId)).toEqual(['running']);
  expect(session.state.ended.get('waits')).toMatchObject({
    withdrawn: true,
    steered: { intoRunId: 'running' },
  });
});
