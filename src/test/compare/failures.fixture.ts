// Refusals, errors, malformed answers, and stops.

import { isAi7 } from '../fixtures/hooks.fixture.tsx';
import { heldText, numbered, send, sendHeld, text, type Played } from './played.fixture.ts';

const refusal = (words = 'No credit.') => new Response(words, { status: 402 });

export const failures: Record<string, Played> = {
  'a refusal, then a retry': {
    post: (script, nth) => (nth === 0 ? refusal() : numbered(script, nth)),
    async play(actor) {
      await send('hello')(actor);
      actor.chat.clearError();
      await actor.quiet();
      await actor.chat.regenerate();
    },
  },
  'a refusal, then another send': {
    post: (script, nth) => (nth === 0 ? refusal() : numbered(script, nth)),
    async play(actor) {
      await send('hello')(actor);
      await send('again')(actor);
    },
  },
  'an error chunk, then a retry': {
    post: (script, nth) =>
      nth === 0
        ? script.reply([...text('so far').slice(0, 4), { type: 'error', errorText: 'It broke.' }])
        : numbered(script, nth),
    async play(actor) {
      await send('hello')(actor);
      await actor.chat.regenerate();
    },
  },
  'an error chunk before anything else': {
    post: (script) => script.reply([{ type: 'start' }, { type: 'error', errorText: 'It broke.' }]),
    play: send('hello'),
  },
  'an answer without an end': {
    post: (script) => script.reply(text('so far').slice(0, 4)),
    play: send('hello'),
  },
  'an answer that breaks off': {
    post: (script) => script.reply([...text('so far').slice(0, 4), 'break']),
    play: send('hello'),
  },
  'a network that fails': {
    plainOnly: 'A durable chat makes such a send again.',
    post: () => Promise.reject(new TypeError('fetch failed')),
    play: send('hello'),
  },
  'an answer that is a page': {
    post: () => new Response('<html>', { headers: { 'content-type': 'text/html' } }),
    play: send('hello'),
  },
  'an answer without a body': { post: () => new Response(null, { status: 204 }), play: send('hello') },
  'a chunk of no known type': {
    post: (script) => script.reply([{ type: 'start' }, { type: 'nonsense' } as never]),
    play: send('hello'),
  },
  'an empty answer': {
    post: (script) => script.reply([{ type: 'start' }, { type: 'finish' }]),
    async play(actor) {
      await send('hello')(actor);
      await send('again')(actor);
    },
  },
  'an answer of no chunk': { post: (script) => script.reply([]), play: send('hello') },
};

export const stops: Record<string, Played> = {
  'a stop in the middle': {
    post: (script, nth) => (nth === 0 ? script.reply(heldText('so far')) : numbered(script, nth)),
    async play(actor) {
      const { done } = await sendHeld(actor, 'hello');
      await actor.chat.stop();
      await done;
      await actor.quiet();
      await send('again')(actor);
    },
  },
  'a stop before the first chunk': {
    post: (script) => script.reply(['hold', ...text('late')]),
    async play(actor) {
      const { done } = await sendHeld(actor, 'hello');
      await actor.chat.stop();
      await done;
    },
  },
  'a stop after the start': {
    post: (script) => script.reply([{ type: 'start' }, 'hold', ...text('late').slice(1)]),
    async play(actor) {
      const { done } = await sendHeld(actor, 'hello');
      await actor.chat.stop();
      await done;
    },
  },
  'a stop before the server answers': {
    post: async (script) => {
      await script.hold();
      return script.reply(text('late'));
    },
    async play(actor) {
      const { done } = await sendHeld(actor, 'hello');
      const stopped = actor.chat.stop();
      await actor.go();
      await stopped;
      await done;
    },
  },
  'a stop with nothing to stop': {
    async play(actor) {
      await actor.chat.stop();
      await send('hello')(actor);
      await actor.chat.stop();
    },
  },
  'an unmount in the middle': {
    post: (script) => script.reply(heldText('so far')),
    async play(actor) {
      await sendHeld(actor, 'hello');
      actor.unmount();
      await actor.quiet();
      await actor.go();
    },
  },
  ...(isAi7 && {
    'a queue': {
      options: () => ({ experimental_queue: true }),
      post: (script, nth) => (nth === 0 ? script.reply(heldText('first')) : numbered(script, nth)),
      async play(actor) {
        const { done } = await sendHeld(actor, 'one');
        void actor.chat.sendMessage({ text: 'two' });
        void actor.chat.sendMessage({ text: 'three' });
        await actor.quiet();
        actor.chat.experimental_removeQueuedMessage(actor.chat.experimental_queuedMessages[1]!.id);
        await actor.go();
        await done;
      },
    } satisfies Played,
    'a queued message that is sent now': {
      options: () => ({ experimental_queue: true }),
      post: (script, nth) => (nth === 0 ? script.reply(heldText('first')) : numbered(script, nth)),
      async play(actor) {
        const { done } = await sendHeld(actor, 'one');
        void actor.chat.sendMessage({ text: 'two' });
        await actor.quiet();
        await actor.chat.experimental_sendQueuedMessageNow(actor.chat.experimental_queuedMessages[0]!.id);
        await done;
      },
    } satisfies Played,
  }),
};
