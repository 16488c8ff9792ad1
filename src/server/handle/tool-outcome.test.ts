// An answer counts if the call still waits at the answer's place in the log. Otherwise its sender gets an error.

import type { UIMessage, UIMessageChunk } from 'ai';
import { describe, expect, it } from 'vitest';
import type { Channel } from '../../channel/channel.ts';
import { toolPartsOf } from '../../protocol/tool-calls.ts';
import { useStores } from '../../test/fixtures/stores.fixture.ts';
import { chunkHandler, createWorld } from '../../test/fixtures/world.fixture.ts';

const { stores } = useStores();
const url = 'http://durable.test/api/chat';
const user = (id: string): UIMessage => ({ id, role: 'user', parts: [{ type: 'text', text: id }] });
const ask: UIMessageChunk[] = [
  { type: 'start' },
  { type: 'start-step' },
  { type: 'tool-input-available', toolCallId: 'call_0', toolName: 'ask', input: {} },
];
const approve: UIMessageChunk = { type: 'tool-approval-request', approvalId: 'a', toolCallId: 'call_0' };
const end: UIMessageChunk[] = [{ type: 'finish-step' }, { type: 'finish' }];
let count = 0;

describe.each(stores)('a tool call is answered on %s', (name, open) => {
  function setUp(chunks: () => AsyncIterable<UIMessageChunk> | Iterable<UIMessageChunk>) {
    const id = `answer ${name} ${++count}`;
    let before: ((key: string) => Promise<void>) | undefined;
    const store = open()();
    const append: Channel['append'] = async (sessionId, entry, options) => {
      await before?.(entry.key);
      return store.append(sessionId, entry, options);
    };
    const world = createWorld({ ...store, append }, chunkHandler(chunks));
    const request = (body: object) =>
      world.routes.POST(new Request(url, { method: 'POST', body: JSON.stringify({ id, ...body }) }));
    const read = async () => (await world.chat.session(id).read()).messages;
    return {
      id,
      world,
      read,
      /** Calls `use` once, before the entry of this kind is appended. */
      before(kind: string, use: () => Promise<void>) {
        before = async (key) => {
          if (!key.includes(` ${kind}`)) return;
          before = undefined;
          await use();
        };
      },
      send: (...messages: UIMessage[]) => request({ messages }),
      sent: async (...messages: UIMessage[]) => {
        await (await request({ messages })).text();
        await world.settled();
      },
      answer: (messageId: string, outcome: object, outcomeId?: string) =>
        request({ trigger: 'tool-outcome', messageId, toolCallId: 'call_0', outcome, outcomeId }),
      toolsOf: async () => toolPartsOf((await read())[1]!),
    };
  }
  const output = (value: unknown) => ({ state: 'output-available', output: value });
  const approval = (approved: boolean) => ({ state: 'approval-responded', approved });

  it('a call id that the model uses again in a continued message is a new call', async () => {
    const here = setUp(() => [...ask, ...end]);
    await here.sent(user('u1'));
    const { id } = (await here.read())[1]!;
    for (const turn of [1, 2, 3]) {
      expect((await here.answer(id, output(turn), `answer ${turn}`)).status).toBe(200);
      // The same answer again succeeds. Another one comes too late.
      expect((await here.answer(id, output(turn), `answer ${turn}`)).status).toBe(200);
      expect((await here.answer(id, output('late'))).status).toBe(409);
      expect((await here.toolsOf()).map((part) => ('output' in part ? part.output : part.state))).toEqual(
        [1, 2, 3].slice(0, turn),
      );
      await here.sent(...(await here.read()));
    }
  });

  it('a repeated call id can be answered while its message is being written', async () => {
    let release = () => {};
    const released = new Promise<void>((resolve) => (release = resolve));
    let turn = 0;
    const here = setUp(async function* () {
      yield* ask;
      if (turn++ === 1) await released;
      yield* end;
    });
    await here.sent(user('u1'));
    const { id } = (await here.read())[1]!;
    expect((await here.answer(id, output(1))).status).toBe(200);
    const response = await here.send(...(await here.read()));
    expect((await here.answer(id, output(2), 'second')).status).toBe(200);
    expect((await here.answer(id, output('late'), 'late')).status).toBe(409);
    expect((await here.answer(id, output(2), 'second')).status).toBe(200);
    release();
    await response.text();
    await here.world.settled();
    expect(await here.toolsOf()).toMatchObject([{ output: 1 }, { output: 2 }]);
  });

  it.each(['started', 'denied'] as const)(
    'an approval that lands once a later send has %s is refused, and the call is denied',
    async (when) => {
      let turn = 0;
      const here = setUp(() => (turn++ === 0 ? [...ask, approve, ...end] : [...ask.slice(0, 2), ...end]));
      await here.sent(user('u1'));
      const { id } = (await here.read())[1]!;
      let later: Promise<void> | undefined;
      let answered: Response | undefined;
      if (when === 'denied') {
        here.before('approval', () => here.sent(user('u2')));
        answered = await here.answer(id, approval(true));
      } else {
        // The approval is applied between the start of the send and its denial.
        let land = () => {};
        const held = new Promise<void>((resolve) => (land = resolve));
        let isHeld = () => {};
        const arrived = new Promise<void>((resolve) => (isHeld = resolve));
        here.before('approval', async () => {
          isHeld();
          await held;
        });
        const answering = here.answer(id, approval(true));
        await arrived;
        here.before('passed', async () => {
          land();
          answered = await answering;
        });
        later = here.sent(user('u2'));
        await later;
      }
      expect(answered?.status).toBe(409);
      expect((await here.toolsOf())[0]).toMatchObject({
        state: 'approval-responded',
        approval: { approved: false },
      });
    },
  );

  it('an output that lands just after the end of a stopped run is refused', async () => {
    const here = setUp(async function* () {
      yield* ask;
      await new Promise(() => {});
    });
    const response = await here.send(user('u1'));
    await expect
      .poll(async () => (await here.world.chat.session(here.id).read()).runs[0]?.messageId)
      .toBeDefined();
    const { messageId } = (await here.world.chat.session(here.id).read()).runs[0]!;
    here.before('output', async () => void (await here.world.chat.session(here.id).stop()));
    expect((await here.answer(messageId, output('late'))).status).toBe(409);
    await response.text();
    expect((await here.toolsOf())[0]).toMatchObject({ state: 'output-error' });
    expect((await here.answer(messageId, output('late'))).status).toBe(409);
  });

  it('a tool that returns nothing can be answered without an output', async () => {
    const here = setUp(() => [...ask, ...end]);
    await here.sent(user('u1'));
    const { id } = (await here.read())[1]!;
    expect((await here.answer(id, { state: 'output-available' })).status).toBe(200);
    expect((await here.toolsOf())[0]).toMatchObject({ state: 'output-available' });
  });
});
