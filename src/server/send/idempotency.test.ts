import type { UIMessage } from 'ai';
import { describe, expect, it } from 'vitest';
import { versioned } from '../../protocol/entries.ts';
import type { LogFrame } from '../../protocol/frames.ts';
import { Log } from '../follow/log.ts';
import { runOfSend, sendOf, type SendKey } from './idempotency.ts';
import type { SendBody } from './send-body.ts';

const start = (runId: string, send: SendKey): LogFrame => ({
  type: 'run-start',
  runId,
  messageId: `message of ${runId}`,
  trigger: 'submit-message',
  at: 0,
  send,
});
const end = (runId: string, chunks = 3): LogFrame => ({ type: 'run-end', runId, reason: 'error', chunks });
const logOf = (...frames: LogFrame[]): Log => {
  const log = new Log();
  for (const [index, frame] of frames.entries())
    log.add({ id: `${index + 1}-0`, ...versioned({ key: `${index}`, frames: [frame] }) });
  return log;
};
const user = (id: string, text = id): UIMessage => ({ id, role: 'user', parts: [{ type: 'text', text }] });
const body = (messages: UIMessage[], more: Partial<SendBody> = {}): SendBody => ({
  id: 's',
  messages,
  trigger: 'submit-message',
  ...more,
});
const once = { key: 'k1', once: true };
const again = { key: 'k2', once: false, named: 'n' };

it('G5: finds the run of a send; after its end only for a send that is unique', () => {
  const runs = [start('r1', once), start('r2', again)];
  const known = (log: Log) => ['k1', 'k2', 'k3'].map((key) => runOfSend(log, { key, once: false }));
  expect(known(logOf(...runs))).toEqual(['r1', 'r2', undefined]);
  expect(known(logOf(...runs, end('r1'), end('r2')))).toEqual(['r1', undefined, undefined]);
  // A run that is being stopped is still the run of a unique send.
  const stops = ['r1', 'r2'].map((runId): LogFrame => ({ type: 'run-stop', runId }));
  expect(known(logOf(...runs, ...stops))).toEqual(['r1', undefined, undefined]);
});

it('G5: a send with an idempotency key is the same send with that key, also after its end', () => {
  const log = logOf(start('r2', again), end('r2'));
  expect(runOfSend(log, { key: 'spelled otherwise', once: false, named: 'n' })).toBe('r2');
  expect(runOfSend(log, { key: 'k2', once: false, named: 'another' })).toBeUndefined();
});

it('G5: a send whose run failed at its start may be sent again', () => {
  expect(runOfSend(logOf(start('r1', once), end('r1', 0)), once)).toBeUndefined();
  const next = start('r0', { key: 'k0', once: false });
  expect(
    runOfSend(logOf(next, start('r1', once), { type: 'run-withdraw', runId: 'r1' }), once),
  ).toBeUndefined();
});

it('G5: a message with a known id and other content is a conflict', () => {
  const sent = { ...once, content: 'one' };
  const conflict = expect.objectContaining({ code: 'conflict' }) as Error;
  for (const log of [logOf(start('r1', sent)), logOf(start('r1', sent), end('r1'))]) {
    expect(runOfSend(log, { ...sent })).toBe('r1');
    expect(() => runOfSend(log, { ...sent, content: 'other' })).toThrow(conflict);
  }
  // A run that failed at its start does not block it.
  expect(runOfSend(logOf(start('r1', sent), end('r1', 0)), { ...sent, content: 'other' })).toBeUndefined();
});

it('G5: a message that steered an answer counts as answered', () => {
  const running = start('r0', { key: 'k0', once: false });
  for (const inside of [true, false]) {
    const steer: LogFrame = { type: 'run-steer', runId: 'r1', intoRunId: 'r0', inside };
    expect(runOfSend(logOf(running, start('r1', once), steer), once)).toBe('r1');
    expect(runOfSend(logOf(running, start('r1', once), steer, end('r0')), once)).toBe('r1');
  }
});

describe('G5: sendOf', () => {
  it('a new message identifies its send; the rest of the body does not count', () => {
    const a = sendOf(body([user('u1'), user('u2')]), null);
    expect(a).toEqual(sendOf(body([user('u2')]), null));
    expect(a.once).toBe(true);
    expect(a.key).not.toBe(sendOf(body([user('u3')]), null).key);
  });

  it('the content of a message is part of its send, in any key order, and its metadata is not', () => {
    const file = { type: 'file', mediaType: 'text/plain', url: 'data:,x' } as const;
    const of = (message: UIMessage) => sendOf(body([message]), null);
    const sent = of({ id: 'u', role: 'user', parts: [{ type: 'text', text: 'a' }, file] });
    const { url, mediaType, type } = file;
    const again = of({
      id: 'u',
      role: 'user',
      metadata: { at: 1 },
      parts: [
        { text: 'a', type: 'text' },
        { url, mediaType, type },
      ],
    });
    expect(again).toEqual(sent);
    for (const parts of [
      [{ type: 'text' as const, text: 'a' }],
      [file, { type: 'text' as const, text: 'a' }],
    ]) {
      const other = of({ id: 'u', role: 'user', parts });
      expect(other).toEqual({ ...sent, content: other.content });
      expect(other.content).not.toBe(sent.content);
    }
  });

  it('an idempotency key comes first, and equals no message id', () => {
    const named = sendOf(body([user('u1')]), 'u1');
    expect(named).toEqual(sendOf(body([user('u2')]), 'u1'));
    expect(named.key).not.toBe(sendOf(body([user('u1')]), null).key);
  });

  it('a regeneration and an edit are the same send only while their run is active', () => {
    const regenerate = sendOf(body([user('u1')], { trigger: 'regenerate-message' }), null);
    const edit = sendOf(body([user('u1')], { messageId: 'u1' }), null);
    expect([regenerate.once, edit.once]).toEqual([false, false]);
    expect(new Set([regenerate.key, edit.key, sendOf(body([user('u1')]), null).key]).size).toBe(3);
  });

  // A key of ids only would attach a second edit to the first one's run.
  it('two edits of one message with different texts are two sends', () => {
    const edit = (text: string) => sendOf(body([user('u1', text)], { messageId: 'u1' }), null).key;
    expect(edit('one')).not.toBe(edit('another'));
  });
});
