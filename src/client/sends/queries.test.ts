import type { UIMessage } from 'ai';
import { describe, expect, it } from 'vitest';
import type { Frame } from '../../protocol/frames.ts';
import { emptyClient, type Client, type ClientEvent, type SendKind } from './client-state.ts';
import { isRemoved } from './queries.ts';
import { reduce } from './reduce.ts';

const user = (id: string): UIMessage => ({ id, role: 'user', parts: [{ type: 'text', text: id }] });
const runOf = (userMessageId: string): Frame => ({
  type: 'run-start',
  runId: `r-${userMessageId}`,
  messageId: `a-${userMessageId}`,
  trigger: 'submit-message',
  at: 0,
  userMessageId,
});
/** Two questions, whose answers are being written. */
const running = ['u1', 'u2']
  .flatMap((id): Frame[] => [{ type: 'message', message: user(id) }, runOf(id)])
  .reduce<Client>(reduce, emptyClient);
const removed = (...events: (Frame | ClientEvent)[]) => {
  const client = events.reduce<Client>(reduce, running);
  return ['a-u1', 'a-u2'].map((id) => isRemoved(client, id));
};
const send = (kind: SendKind, id: string): ClientEvent => ({
  type: 'send',
  send: { key: 'k', kind, message: user(id), afterMessageId: undefined },
});

describe('an answer that is being written is removed', () => {
  it.each<[SendKind, string, [boolean, boolean]]>([
    ['edit', 'u1', [true, true]],
    ['regenerate', 'u1', [true, true]],
    ['edit', 'u2', [false, true]],
    ['edit', 'unknown', [false, false]],
    ['new', 'u3', [false, false]],
    ['continue', 'a-u1', [false, false]],
  ])('by a send: %s %s', (kind, id, expected) => {
    expect(removed()).toEqual([false, false]);
    expect(removed(send(kind, id))).toEqual(expected);
    const refuse: ClientEvent = { type: 'refuse', key: 'k', error: new Error('no') };
    expect(removed(send(kind, id), refuse)).toEqual([false, false]);
  });

  it('by the log', () => {
    expect(removed({ type: 'truncate', messageId: 'u2' })).toEqual([false, true]);
    expect(removed({ type: 'message-delete', messageId: 'a-u1' })).toEqual([true, false]);
  });
});
