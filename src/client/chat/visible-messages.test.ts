// What a chat shows beyond the log: what it could not send, and what answered that without the log.

import type { UIMessage } from 'ai';
import { expect, it } from 'vitest';
import { applyFrame, emptySession, type SessionState } from '../../protocol/session-state.ts';
import type { LogFrame } from '../../protocol/frames.ts';
import { mergeMessages } from './visible-messages.ts';

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
  run: 'run',
  messageId: 'answer',
  trigger: 'submit-message',
  at: 0,
} as const;
const end = { type: 'run-end', run: 'run', reason: 'finish', chunks: 3, message: answer } as const;
const stateOf = (...frames: LogFrame[]): SessionState =>
  [{ type: 'message', message: asked } as const, ...frames].reduce(applyFrame, emptySession);

function merge(state: SessionState, shown: readonly UIMessage[]): string[] {
  const merged = mergeMessages({
    state,
    isNew: false,
    shown,
    mirrored: new Map(),
    isWriting: () => false,
    isPending: (id) => id === 'unsent',
  });
  return (merged ?? shown).map(({ id }) => id);
}

it('G8: an answer that came without the session stays behind what it answers', () => {
  expect(merge(stateOf(), [asked, unsent, answer])).toEqual(['asked', 'unsent', 'answer']);
});

it('G4: an answer that the session took away goes, though it stood behind what could not be sent', () => {
  const gone = stateOf(start, end, { type: 'truncate', messageId: 'answer' });
  expect(merge(gone, [asked, unsent, answer])).toEqual(['asked', 'unsent']);
});

it('G4: so does one of which its run has kept nothing', () => {
  const { message: _, ...nothing } = end;
  expect(merge(stateOf(start, nothing), [asked, unsent, answer])).toEqual(['asked', 'unsent']);
  const displaced = stateOf(start, { type: 'truncate', messageId: 'answer' });
  expect(merge(displaced, [asked, unsent, answer])).toEqual(['asked', 'unsent']);
});

it('G4: so does a message of the user that stood there', () => {
  expect(merge(stateOf(), [asked, unsent, message('gone', 'user'), answer])).toEqual(['asked', 'unsent']);
});
