// Sends, edits, regenerations, and messages that the app sets.

import { said } from '../fixtures/hooks.fixture.tsx';
import { heldText, numbered, send, sendHeld, text, type Played } from './played.fixture.ts';

export const sends: Record<string, Played> = {
  'a send': { play: send('hello') },
  'a send whose answer names its message': {
    post: (script) => script.reply(text('there', 'named')),
    play: send('hello'),
  },
  'two sends': {
    async play(actor) {
      await send('one')(actor);
      await send('two')(actor);
    },
  },
  'two sends at once': {
    async play(actor) {
      const both = [actor.chat.sendMessage({ text: 'one' }), actor.chat.sendMessage({ text: 'two' })];
      await actor.quiet();
      await Promise.all(both);
    },
  },
  'a send of files': {
    async play(actor) {
      const files = [
        { type: 'file' as const, mediaType: 'text/plain', filename: 'a.txt', url: 'data:text/plain,a' },
      ];
      await actor.chat.sendMessage({ text: 'look', files });
      await actor.chat.sendMessage({ files });
    },
  },
  'a send of a FileList': {
    async play(actor) {
      const { FileList } = globalThis;
      const file = new File(['a'], 'a.txt', { type: 'text/plain' });
      const files = Object.assign(Object.create(FileList.prototype) as FileList, { 0: file });
      Object.defineProperty(files, 'length', { value: 1 });
      Object.defineProperty(files, Symbol.iterator, { value: () => [file].values() });
      await actor.chat.sendMessage({ text: 'look', files });
    },
  },
  'a send of parts, with an id and metadata': {
    async play(actor) {
      const metadata = { mood: 'good' };
      await actor.chat.sendMessage({
        id: 'mine',
        role: 'user',
        parts: [{ type: 'text', text: 'hi' }],
        metadata,
      });
    },
  },
  'an edit': {
    async play(actor) {
      await send('one')(actor);
      await send('two')(actor);
      await actor.chat.sendMessage({ messageId: actor.chat.messages[0]!.id, text: 'one again' });
    },
  },
  'an edit of the last message': {
    async play(actor) {
      await send('one')(actor);
      await actor.chat.sendMessage({ messageId: actor.chat.messages[0]!.id, text: 'one again' });
    },
  },
  'an edit of no message': {
    async play(actor) {
      await actor.chat
        .sendMessage({ messageId: 'nobody', text: 'x' })
        .catch((error: Error) => actor.note(error.message));
    },
  },
  'a regeneration': {
    async play(actor) {
      await send('one')(actor);
      await actor.chat.regenerate();
    },
  },
  'a regeneration of an earlier answer': {
    async play(actor) {
      await send('one')(actor);
      await send('two')(actor);
      await actor.chat.regenerate({ messageId: actor.chat.messages[1]!.id });
    },
  },
  'a regeneration during an answer': {
    post: (script, nth) => (nth === 0 ? script.reply(heldText('first')) : numbered(script, nth)),
    async play(actor) {
      const { done } = await sendHeld(actor, 'one');
      await actor.chat.stop();
      await actor.chat.regenerate();
      await actor.go();
      await done;
    },
  },
  'messages that the app sets': {
    async play(actor) {
      await send('one')(actor);
      actor.chat.setMessages([said('u', 'user', 'old'), said('a', 'assistant', 'older')]);
      await actor.quiet();
      await send('two')(actor);
    },
  },
  'messages that the app takes away': {
    async play(actor) {
      await send('one')(actor);
      await send('two')(actor);
      actor.chat.setMessages((messages) => messages.slice(0, 2));
      await actor.quiet();
      await send('three')(actor);
    },
  },
  'messages that the app clears': {
    async play(actor) {
      await send('one')(actor);
      actor.chat.setMessages([]);
      await actor.quiet();
    },
  },
};
