// A viewer resumes at its cursor. Messages that were deleted since are not shown again, with a cursor of any process.

import type { UIMessageChunk } from 'ai';
import { describe, expect, it } from 'vitest';
import type { Channel } from '../../channel/channel.ts';
import { encodeCursor } from '../../protocol/cursor.ts';
import type { Frame } from '../../protocol/frames.ts';
import { useStores } from '../fixtures/stores.fixture.ts';
import { textOf } from '../fixtures/tab.fixture.ts';
import { chunkHandler, createWorld, sendBody } from '../fixtures/world.fixture.ts';
import { mostReplayed } from '../../server/follow/position.ts';
import { answerOf } from '../fixtures/answers.fixture.ts';

const { stores } = useStores();
const url = 'http://durable.test/api/chat';
const say: UIMessageChunk[] = answerOf('an answer');
let count = 0;

describe.each(stores)('a viewer comes back on %s', (name, open) => {
  /** A session, and how often the chunks of a run were read by the server that responds to viewers. */
  function setUp() {
    const id = `resume ${name} ${++count}`;
    const channelOf = open();
    const world = createWorld(
      channelOf(),
      chunkHandler(() => say),
    );
    const channel = channelOf();
    const reads: string[] = [];
    const readRun: Channel['readRun'] = (sessionId, runId, ...rest) => {
      reads.push(runId);
      return channel.readRun(sessionId, runId, ...rest);
    };
    const elsewhere = createWorld(
      { ...channel, readRun },
      chunkHandler(() => say),
    );
    return {
      id,
      reads,
      session: world.chat.session(id),
      async send(text: string) {
        const body = sendBody(id, text);
        await (await world.routes.POST(new Request(url, { method: 'POST', body }))).text();
        await world.settled();
      },
      /** The frames that a viewer of another server receives up to `until`, and the cursor after them. */
      async watch(after: string | undefined, until: (frames: readonly Frame[]) => boolean) {
        // That server has read the whole log.
        await elsewhere.chat.session(id).read();
        const frames: Frame[] = [];
        let cursor = after;
        for await (const next of elsewhere.chat.session(id).follow(after === undefined ? {} : { after })) {
          frames.push(next.frame);
          cursor = next.cursor ?? cursor;
          if (until(frames)) break;
        }
        return { frames, cursor };
      },
    };
  }

  const types = (frames: readonly Frame[]) => frames.map(({ type }) => type);
  const shows = (frames: readonly Frame[], text: string) => JSON.stringify(frames).includes(text);
  const isSnapshot = (frames: readonly Frame[]) => frames.at(-1)?.type === 'snapshot';
  const hasEnds = (ends: number) => (frames: readonly Frame[]) =>
    frames.filter(({ type }) => type === 'run-end').length === ends || isSnapshot(frames);

  it.each(['a message is deleted', 'all messages are cleared'])(
    'a cursor from before %s shows no deleted message: a reset and a snapshot follow',
    async (how) => {
      const here = setUp();
      const empty = encodeCursor(here.id, { log: '', runs: {} });
      await here.send('one');
      const { cursor: first } = await here.watch(undefined, isSnapshot);
      await here.send('secret');
      const { cursor: second } = await here.watch(undefined, isSnapshot);
      const { messages } = await here.session.read();
      if (how === 'a message is deleted') await here.session.deleteMessage('user-secret');
      else await here.session.clear();
      await here.send('public');

      for (const after of [empty, first, second]) {
        const { frames } = await here.watch(after, isSnapshot);
        expect(types(frames)).toEqual(['reset', 'snapshot']);
        expect(shows(frames, 'secret')).toBe(false);
        expect(shows(frames, 'public')).toBe(true);
      }
      expect(messages.map(textOf)).toContain('secret');
      // From then on it is a normal cursor.
      const { cursor } = await here.watch(undefined, isSnapshot);
      await here.send('later');
      const { frames } = await here.watch(cursor, hasEnds(1));
      expect(types(frames)).toEqual(['message', 'run-start', 'chunks', 'run-end']);
    },
  );

  it('the cursor of a viewer that began with an empty session continues with new frames', async () => {
    const here = setUp();
    const { cursor } = await here.watch(undefined, isSnapshot);
    await here.send('one');
    const { frames } = await here.watch(cursor, hasEnds(1));
    expect(types(frames)).toEqual(['message', 'run-start', 'chunks', 'run-end']);
  });

  it('G9: frames since a cursor are replayed if that needs few reads, and replaced by a snapshot otherwise', async () => {
    const here = setUp();
    const { cursor: empty } = await here.watch(undefined, isSnapshot);
    await here.send('first');
    const { cursor } = await here.watch(undefined, isSnapshot);
    for (let index = 0; index < mostReplayed; index++) await here.send(`${index}`);

    const replayed = await here.watch(cursor, hasEnds(mostReplayed));
    expect(types(replayed.frames)).not.toContain('snapshot');
    expect(here.reads.length).toBeLessThanOrEqual(mostReplayed);

    here.reads.length = 0;
    const { frames } = await here.watch(empty, hasEnds(mostReplayed + 1));
    expect(types(frames)).toEqual(['reset', 'snapshot']);
    expect(here.reads).toEqual([]);
  });
});
