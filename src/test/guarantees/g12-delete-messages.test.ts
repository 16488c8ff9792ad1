// G12: messages can be deleted, one by one or all, also a message that made a session unusable.

import type { UIMessage, UIMessageChunk } from 'ai';
import { afterEach, describe, expect, it } from 'vitest';
import { DurableChatError, type DurableChatOptions, type RunEnd } from '../../index.ts';
import { useStores } from '../fixtures/stores.fixture.ts';
import { openTab, textOf, type Tab } from '../fixtures/tab.fixture.ts';
import { createWorld } from '../fixtures/world.fixture.ts';

const { stores } = useStores();

const user = (id: string, text = id): UIMessage => ({ id, role: 'user', parts: [{ type: 'text', text }] });
const url = 'http://durable.test/api/chat';
let count = 0;

/** Ends of a run that have nothing to do with its message, by the text that causes them. */
const others: Readonly<Record<string, () => unknown>> = {
  refused: () => new Response('later', { status: 429 }),
  'no stream': () => 42,
  'no chunks': () => new ReadableStream({ start: (controller) => controller.enqueue('nonsense') }),
  'store away': () => {
    throw new DurableChatError('store_failed', 'The store did not reply.');
  },
};

describe.each(stores)('messages are deleted on %s', (name, open) => {
  const tabs: Tab[] = [];

  /** Answers at once. Waits if the question asks for it, until it is released. Fails if any message contains poison. */
  function setUp(options: Omit<DurableChatOptions, 'channel'> = {}) {
    const id = `delete ${name} ${++count}`;
    const ends: RunEnd[] = [];
    const errors: unknown[] = [];
    const calls: { readonly history: string[]; readonly signal: AbortSignal }[] = [];
    let release: () => void = () => {};
    const released = new Promise<void>((resolve) => (release = resolve));
    const world = createWorld(
      open()(),
      async (request) => {
        const { messages } = (await request.json()) as { messages: UIMessage[] };
        const history = messages.map(textOf);
        const { signal } = request;
        calls.push({ history, signal });
        const other = history.map((text) => others[text]?.()).find((result) => result !== undefined);
        if (other !== undefined) return other;
        if (history.includes('poison')) throw new Error('cannot be read');
        return new ReadableStream<UIMessageChunk>({
          async start(controller) {
            controller.enqueue({ type: 'start' });
            if (history.includes('late poison')) {
              controller.enqueue({ type: 'error', errorText: 'cannot be read' });
              return controller.close();
            }
            controller.enqueue({ type: 'text-start', id: '0' });
            controller.enqueue({ type: 'text-delta', id: '0', delta: `re: ${history.at(-1)}` });
            if (history.at(-1) === 'slow') {
              const aborted = new Promise((resolve) => signal.addEventListener('abort', resolve));
              await Promise.race([released, aborted]);
            }
            controller.enqueue({ type: 'text-end', id: '0' });
            controller.enqueue({ type: 'finish' });
            controller.close();
          },
        });
      },
      {
        onRunEnd: (end) => void ends.push(end),
        onError: (...error) => void errors.push(error),
        ...options,
      },
    );
    const post = async (message: UIMessage) => {
      const body = JSON.stringify({ id, messages: [message], trigger: 'submit-message' });
      const response = await world.routes.POST(new Request(url, { method: 'POST', body }));
      return { status: response.status, done: response.text() };
    };
    const remove = (query: string) =>
      world.routes.DELETE(new Request(`${url}?id=${encodeURIComponent(id)}&${query}`, { method: 'DELETE' }));
    return {
      id,
      world,
      ends,
      errors,
      calls,
      post,
      remove,
      release: () => release(),
      session: () => world.chat.session(id),
      async say(message: UIMessage) {
        const { status, done } = await post(message);
        await done;
        await world.settled();
        return status;
      },
      texts: async () => (await world.chat.session(id).read()).messages.map(textOf),
      tab(messages: UIMessage[] = []) {
        const opened = openTab(world.client(), id, { messages });
        tabs.push(opened);
        return opened;
      },
    };
  }
  afterEach(() => {
    for (const one of tabs.splice(0)) one.close();
  });

  it.each(['poison', 'late poison'])(
    'G12: a message that makes every turn fail is named in failedOn, and can be deleted',
    async (text) => {
      const here = setUp();
      await here.say(user('fine'));
      await here.say(user('bad', text));
      await here.say(user('after'));
      expect(here.ends.map(({ reason, failedOn }) => [reason, failedOn])).toEqual([
        ['finish', undefined],
        ['error', 'bad'],
        ['error', 'after'],
      ]);
      if (text === 'poison') {
        expect(here.errors[0]).toMatchObject([{ message: 'cannot be read' }, { messageId: 'bad' }]);
      }
      const tab = here.tab();
      await expect.poll(() => tab.chat.messages.map(textOf)).toEqual(['fine', 're: fine', text, 'after']);
      expect([...tab.session.getSnapshot().state!.ended.values()].map(({ failedOn }) => failedOn)).toEqual([
        undefined,
        'bad',
        'after',
      ]);
      await here.session().deleteMessage('bad');
      expect(await here.say(user('again'))).toBe(200);
      expect(await here.texts()).toEqual(['fine', 're: fine', 'after', 'again', 're: again']);
      await expect.poll(() => tab.chat.messages.map(textOf)).toEqual(await here.texts());
    },
  );

  it.each(Object.keys(others))(
    'a message that did not make the handler fail is not named in failedOn: %s',
    async (text) => {
      const here = setUp();
      await here.say(user('one', text));
      // The same for a run that waits for its turn.
      const sent = [await here.post(user('two', 'slow')), await here.post(user('three'))];
      here.release();
      await Promise.all(sent.map(({ done }) => done));
      await here.world.settled();
      expect(here.ends.map(({ reason }) => reason)).toEqual(['error', 'error', 'error']);
      for (const end of here.ends) expect(end).not.toHaveProperty('failedOn');
    },
  );

  it('G12: clear makes a session usable too, and nothing from before is read or comes back', async () => {
    const here = setUp({ seed: 'all' });
    await here.say(user('secret'));
    await here.say(user('bad', 'poison'));
    const tab = here.tab();
    await expect.poll(() => tab.chat.messages.length).toBe(3);
    await here.session().clear();
    await expect.poll(() => tab.chat.messages).toEqual([]);
    const body = JSON.stringify({ id: here.id, messages: [user('secret'), user('next')] });
    expect((await here.world.routes.POST(new Request(url, { method: 'POST', body }))).status).toBe(200);
    await here.world.settled();
    expect(here.calls.at(-1)?.history).toEqual(['next']);
    expect(await here.texts()).toEqual(['next', 're: next']);
  });

  it('deleting a question stops its running answer, and the part so far is kept', async () => {
    const here = setUp();
    const sent = await here.post(user('slow'));
    const tab = here.tab();
    await expect.poll(() => tab.chat.messages.map(textOf)).toEqual(['slow', 're: slow']);
    await tab.session.deleteMessage('slow');
    expect(here.calls[0]?.signal.aborted).toBe(true);
    await sent.done;
    await here.world.settled();
    expect(here.ends).toMatchObject([{ reason: 'stop' }]);
    expect(await here.texts()).toEqual(['re: slow']);
    await expect.poll(() => tab.chat.messages.map(textOf)).toEqual(['re: slow']);
    await expect.poll(() => tab.chat.status).toBe('ready');
  });

  it('deleting a running answer stops it, and keeps nothing', async () => {
    const here = setUp();
    const sent = await here.post(user('slow'));
    const tab = here.tab();
    await expect.poll(() => tab.chat.messages.map(textOf)).toEqual(['slow', 're: slow']);
    await tab.session.deleteMessage(tab.chat.messages[1]!.id);
    await sent.done;
    await here.world.settled();
    expect(here.ends).toMatchObject([{ reason: 'stop', message: undefined }]);
    await expect.poll(() => tab.chat.messages.map(textOf)).toEqual(['slow']);
    expect(await here.texts()).toEqual(['slow']);
  });

  it('deleting the message of a waiting send removes it from the queue; later sends are answered', async () => {
    const here = setUp();
    const sent = [
      await here.post(user('slow')),
      await here.post(user('two')),
      await here.post(user('three')),
    ];
    const tab = here.tab();
    await expect.poll(() => tab.session.getSnapshot().runs.length).toBe(3);
    const deleted = here.session().deleteMessage('two');
    await expect.poll(() => tab.chat.messages.map(textOf)).not.toContain('two');
    here.release();
    await deleted;
    await Promise.all(sent.map(({ done }) => done));
    await here.world.settled();
    expect(here.calls.map(({ history }) => history)).toEqual([['slow'], ['slow', 're: slow', 'three']]);
    expect(await here.texts()).toEqual(['slow', 're: slow', 'three', 're: three']);
    await expect.poll(() => tab.chat.messages.map(textOf)).toEqual(await here.texts());
  });

  it('clear stops running and waiting runs; later sends are answered with an empty history', async () => {
    const here = setUp();
    const sent = [await here.post(user('slow')), await here.post(user('two'))];
    const tab = here.tab();
    await expect.poll(() => tab.session.getSnapshot().runs.length).toBe(2);
    await tab.session.clear();
    await Promise.all(sent.map(({ done }) => done));
    await here.world.settled();
    expect(here.calls.length).toBe(1);
    expect(here.ends.map(({ reason, messages }) => [reason, messages])).toEqual([
      ['stop', []],
      ['stop', []],
    ]);
    await expect.poll(() => [tab.chat.messages, tab.chat.status]).toEqual([[], 'ready']);
    await tab.chat.sendMessage({ text: 'new' });
    await here.world.settled();
    expect(here.calls.at(-1)?.history).toEqual(['new']);
    expect(await here.texts()).toEqual(['new', 're: new']);
  });

  it('messages of loadMessages can be deleted from the session too, and do not come back', async () => {
    const kept = [user('k1'), user('k2')];
    const here = setUp({ loadMessages: () => kept });
    await here.session().deleteMessage('k1');
    expect(await here.texts()).toEqual(['k2']);
    await here.session().clear();
    expect(await here.texts()).toEqual([]);
    await here.say(user('next'));
    expect(here.calls.at(-1)?.history).toEqual(['next']);
  });

  it.each([
    ['seed: all', { seed: 'all' }],
    ['seed: text', { seed: 'text' }],
    ['loadMessages', { loadMessages: () => [user('secret'), user('kept')] }],
    ['loadMessages of nothing', { loadMessages: () => [] }],
  ] as const)(
    'clear makes an unknown session known and empty, and nothing fills it again, with %s',
    async (_, options) => {
      const here = setUp(options);
      const tab = here.tab([user('secret')]);
      await expect.poll(() => tab.session.getSnapshot().state).toBeDefined();
      await tab.session.clear();
      await expect.poll(() => tab.chat.messages).toEqual([]);
      // A page that was loaded with the messages shows none either, and does not post them.
      const reloaded = here.tab([user('secret')]);
      await expect.poll(() => reloaded.chat.messages).toEqual([]);
      const body = JSON.stringify({ id: here.id, messages: [user('secret'), user('next')] });
      expect((await here.world.routes.POST(new Request(url, { method: 'POST', body }))).status).toBe(200);
      await here.world.settled();
      expect(here.calls.at(-1)?.history).toEqual(['next']);
      expect(await here.texts()).toEqual(['next', 're: next']);
      await here.session().delete();
      await here.session().clear();
      await here.say(user('again'));
      expect(here.calls.at(-1)?.history).toEqual(['again']);
    },
  );

  it('deleting an unknown message is a 404 in an unknown session, and succeeds in a known one', async () => {
    for (const here of [setUp(), setUp({ loadMessages: () => [] })]) {
      await expect(here.session().deleteMessage('nobody')).rejects.toMatchObject({ code: 'not_found' });
      expect((await here.remove('durable=delete-message&messageId=nobody')).status).toBe(404);
      await here.say(user('one'));
      await here.session().deleteMessage('nobody');
      expect(await here.texts()).toEqual(['one', 're: one']);
      await here.session().delete();
      await expect(here.session().deleteMessage('one')).rejects.toMatchObject({ code: 'not_found' });
    }
  });

  it('on the wire each deletion names what it deletes, and authorize gets the action `delete`', async () => {
    const asked: string[] = [];
    const here = setUp({
      authorize: ({ action }) => {
        asked.push(action);
        return { userId: 'ann' };
      },
    });
    await here.say(user('one'));
    await here.say(user('two'));
    asked.length = 0;
    expect(await (await here.remove('durable=delete-message&messageId=one')).json()).toEqual({
      deleted: 'one',
    });
    expect(await here.texts()).toEqual(['re: one', 'two', 're: two']);
    expect(await (await here.remove('durable=clear')).json()).toEqual({ cleared: here.id });
    expect(await here.texts()).toEqual([]);
    expect(asked).toEqual(['delete', 'delete']);
    for (const query of [
      'durable=delete-message',
      'durable=delete-message&messageId=',
      'durable=delete-message&messageId=%00',
    ]) {
      expect((await here.remove(query)).status).toBe(400);
    }
  });

  it('G10: a refused deletion deletes nothing', async () => {
    const here = setUp({ authorize: ({ action }) => action !== 'delete' });
    await here.say(user('one'));
    for (const query of ['durable=delete-message&messageId=one', 'durable=clear']) {
      expect((await here.remove(query)).status).toBe(403);
    }
    expect(await here.texts()).toEqual(['one', 're: one']);
  });
});
