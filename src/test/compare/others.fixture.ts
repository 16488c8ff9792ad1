// Contents of answers, resumes, options, and the lifecycle of the component.

import { expect } from 'vitest';
import { z } from 'zod';
import { said, type Options } from '../fixtures/hooks.fixture.tsx';
import type { Actor } from './record.fixture.tsx';
import { heldText, send, sendHeld, text, type Played } from './played.fixture.ts';

export const contents: Record<string, Played> = {
  'data, reasoning, sources, files and metadata': {
    post: (script) =>
      script.reply([
        { type: 'start', messageMetadata: { mood: 'good' } },
        { type: 'data-weather', id: 'w', data: { degrees: 1 } },
        { type: 'data-weather', data: { degrees: 2 }, transient: true },
        { type: 'data-weather', id: 'w', data: { degrees: 3 } },
        { type: 'reasoning-start', id: 'r' },
        { type: 'reasoning-delta', id: 'r', delta: 'hm' },
        { type: 'reasoning-end', id: 'r' },
        { type: 'source-url', sourceId: 's', url: 'https://example.com' },
        { type: 'file', mediaType: 'text/plain', url: 'data:text/plain,a' },
        { type: 'message-metadata', messageMetadata: { mood: 'better' } },
        ...text('there').slice(1, -1),
        { type: 'finish', finishReason: 'length', messageMetadata: { mood: 'best' } },
      ]),
    play: send('hello'),
  },
  'data that does not fit its schema': {
    options: () => {
      const weather = z.object({ degrees: z.number() });
      // The older SDK finds them by the whole name.
      return {
        dataPartSchemas: { weather, 'data-weather': weather } as NonNullable<Options['dataPartSchemas']>,
      };
    },
    post: (script) =>
      script.reply([{ type: 'start' }, { type: 'data-weather', data: { degrees: 'many' } }, ...text('done')]),
    play: send('hello'),
  },
};

/** Stored messages are shown a moment later. */
const isResumed = (actor: Actor) =>
  expect.poll(() => JSON.stringify(actor.chat.messages)).toContain('resumed');
const byItself = 'A durable session brings the answer by itself, and makes no request to resume it.';
export const resumes: Record<string, Played> = {
  'a resume with nothing to resume': { options: () => ({ resume: true }), play: send('hello') },
  'a resume of an answer': {
    options: () => ({ resume: true, messages: [said('u', 'user', 'before')] }),
    stream: (script) => script.reply(heldText('resumed')),
    before: [said('u', 'user', 'before')],
    async play(actor) {
      await isResumed(actor);
      await actor.go();
    },
  },
  'a resume, a stop, and another send': {
    options: () => ({ resume: true, messages: [said('u', 'user', 'before')] }),
    stream: (script) => script.reply(heldText('resumed')),
    before: [said('u', 'user', 'before')],
    async play(actor) {
      await isResumed(actor);
      await actor.chat.stop();
      await actor.quiet();
      await send('more')(actor);
    },
  },
  'a resume that is refused': {
    plainOnly: byItself,
    options: () => ({ resume: true }),
    stream: () => new Response('Not yours.', { status: 403 }),
    play: send('hello'),
  },
  'a resume of a prepared request': {
    plainOnly: byItself,
    options: () => ({
      resume: true,
      headers: { 'x-user': 'u' },
      prepareReconnectToStreamRequest: ({ id, api, headers }) => ({
        api: `${api}/prepared/${id}`,
        headers: { ...(headers as Record<string, string>), 'x-mine': '1' },
        credentials: 'include' as const,
      }),
    }),
    stream: (script) => script.reply(text('resumed')),
    async play() {},
  },
  'a call of resumeStream': {
    plainOnly: byItself,
    stream: (script) => script.reply(text('resumed')),
    async play(actor) {
      await actor.chat.resumeStream();
    },
  },
  'a call of resumeStream during one': {
    plainOnly: byItself,
    stream: (script) => script.reply(heldText('resumed')),
    async play(actor) {
      const first = actor.chat.resumeStream();
      await actor.quiet();
      const second = actor.chat.resumeStream();
      await actor.quiet();
      await actor.go();
      await Promise.all([first, second]);
    },
  },
  'a call of resumeStream with nothing to resume': {
    async play(actor) {
      await send('hello')(actor);
      await actor.chat.resumeStream();
    },
  },
};

export const requestOptions: Record<string, Played> = {
  'initial messages': {
    options: () => ({ messages: [said('u', 'user', 'old'), said('a', 'assistant', 'older')] }),
    play: send('hello'),
  },
  'no id': { options: () => ({ id: undefined as never }), play: send('hello') },
  'headers, body and credentials': {
    options: () => ({
      api: '/api/other?a=b',
      headers: { 'x-user': 'u' },
      body: { tenant: 't' },
      credentials: 'include',
    }),
    async play(actor) {
      await actor.chat.sendMessage({ text: 'hello' }, { headers: { 'x-extra': '1' }, body: { extra: 1 } });
      await actor.chat.regenerate({ headers: { 'x-extra': '2' }, body: { extra: 2 } });
    },
  },
  'headers, body and credentials as functions, and changed': {
    options: () => ({ headers: { 'x-user': 'old' }, body: { tenant: 'old' } }),
    async play(actor) {
      await actor.render({
        headers: async () => new Headers({ 'x-user': 'new' }),
        body: async () => ({ tenant: 'new' }),
        credentials: () => 'include',
      });
      await send('hello')(actor);
    },
  },
  'a prepared request': {
    options: (actor) => ({
      prepareSendMessagesRequest: ({ messages, ...given }) => {
        actor.note(`prepare ${Object.keys(given).sort().join()}`);
        return { body: { last: messages.at(-1) }, headers: { 'x-mine': '1' } };
      },
    }),
    async play(actor) {
      await send('one')(actor);
      await send('two')(actor);
      await actor.chat.regenerate();
    },
  },
  'callbacks that change': {
    post: (script) => script.reply(heldText('there')),
    async play(actor) {
      const { done } = await sendHeld(actor, 'hello');
      await actor.render({ onFinish: () => actor.note('the new onFinish') });
      await actor.go();
      await done;
    },
  },
  'a throttle': {
    // Long enough that it shows the beginning and the end on any machine.
    options: () => ({ throttle: 60_000, experimental_throttle: 60_000 }),
    play: send('hello'),
  },
};

export const life: Record<string, Played> = {
  StrictMode: { strict: true, play: send('hello') },
  'another id': {
    async play(actor) {
      await send('one')(actor);
      await actor.render({
        id: 'other',
        messages: [said('u', 'user', 'old'), said('a', 'assistant', 'older')],
      });
      await send('two')(actor);
    },
  },
  'another id in the middle of an answer': {
    post: (script, nth) => script.reply(nth === 0 ? heldText('first') : text('second')),
    async play(actor) {
      await sendHeld(actor, 'one');
      await actor.render({ id: 'other' });
      await send('two')(actor);
      await actor.go();
    },
  },
};
