// What a chat shows beyond the log: messages that it could not send, and answers to them without the log.

import type { UIMessage } from 'ai';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { applyFrame } from '../../protocol/fold.ts';
import { emptySession, type SessionState } from '../../protocol/session-state.ts';
import type { LogFrame } from '../../protocol/frames.ts';
import { emptyClient, type Client } from '../sends/client-state.ts';
import { reduce } from '../sends/reduce.ts';
import { visibleMessages } from './visible-messages.ts';

const message = (id: string, role: UIMessage['role']): UIMessage => ({
  id,
  role,
  parts: [{ type: 'text', text: id }],
});
const asked = message('asked', 'user');
const answer = message('answer', 'assistant');
const unsent = message('unsent', 'user');

const start = {
  type: 'run-start',
  runId: 'run',
  messageId: 'answer',
  trigger: 'submit-message',
  at: 0,
} as const;
const end = { type: 'run-end', runId: 'run', reason: 'finish', chunks: 3, message: answer } as const;
const stateOf = (...frames: LogFrame[]): SessionState =>
  [{ type: 'message', message: asked } as const, ...frames].reduce(applyFrame, emptySession);

/** A client of the session that has sent `unsent`, to which the server responded without the session. */
function clientOf(session: SessionState): Client {
  const send = { key: 'key', kind: 'new', message: unsent, afterMessageId: 'asked' } as const;
  return [
    { type: 'send', send } as const,
    { type: 'attempt', key: 'key' } as const,
    { type: 'pass', key: 'key' } as const,
  ].reduce(reduce, { ...emptyClient, session, hasBegun: true });
}

function merge(session: SessionState, shown: readonly UIMessage[]): string[] {
  return (visibleMessages(clientOf(session), shown) ?? shown).map(({ id }) => id);
}

it('G8: an answer that came without the session stays after its user message', () => {
  expect(merge(stateOf(), [asked, unsent, answer])).toEqual(['asked', 'unsent', 'answer']);
});

it('G4: an answer that the session removed disappears, also after a message that could not be sent', () => {
  const gone = stateOf(start, end, { type: 'truncate', messageId: 'answer' });
  expect(merge(gone, [asked, unsent, answer])).toEqual(['asked', 'unsent']);
});

it('G4: so does an answer of which the run has kept nothing', () => {
  const { message: _, ...nothing } = end;
  expect(merge(stateOf(start, nothing), [asked, unsent, answer])).toEqual(['asked', 'unsent']);
  const displaced = stateOf(start, { type: 'truncate', messageId: 'answer' });
  expect(merge(displaced, [asked, unsent, answer])).toEqual(['asked', 'unsent']);
});

it('G4: so does a user message at that place', () => {
  expect(merge(stateOf(), [asked, unsent, message('gone', 'user'), answer])).toEqual(['asked', 'unsent']);
});

describe('a shown message that is equal in the log keeps its identity', () => {
  const merged = (shown: UIMessage, logged: UIMessage) =>
    visibleMessages(reduce(emptyClient, { type: 'message', message: logged }), [shown]);
  const sent = {
    parts: [{ type: 'text', text: 'hello', state: undefined }],
    id: 'm',
    role: 'user',
    metadata: undefined,
  } as unknown as UIMessage; // the message that the SDK's chat makes from a text

  it('with its keys in another order, and fields that JSON does not have', () => {
    expect(merged(sent, { id: 'm', role: 'user', parts: [{ type: 'text', text: 'hello' }] })).toBeUndefined();
  });

  it('after JSON.stringify and JSON.parse, with any content', () => {
    const values = fc.record({ parts: fc.array(fc.jsonValue()), metadata: fc.jsonValue() });
    fc.assert(
      fc.property(values, fc.boolean(), (value, isOther) => {
        const shown = { id: 'm', role: 'user', ...value } as UIMessage; // no code reads the parts
        const { id, role, parts, metadata } = JSON.parse(JSON.stringify(shown)) as UIMessage;
        const logged = { metadata, parts: isOther ? [...parts, null] : parts, role, id } as UIMessage;
        expect(merged(shown, logged) === undefined).toBe(!isOther);
      }),
    );
  });

  it.each<[string, Partial<UIMessage>]>([
    ['another text', { parts: [{ type: 'text', text: 'hallo' }] }],
    ['a part more', { parts: [{ type: 'text', text: 'hello' }, { type: 'step-start' }] }],
    ['metadata', { metadata: {} }],
  ])('but not with %s', (_, change) => {
    const logged = {
      id: 'm',
      role: 'user',
      parts: [{ type: 'text', text: 'hello' }],
      ...change,
    } as UIMessage;
    expect(merged(sent, logged)).toEqual([logged]);
  });
});
