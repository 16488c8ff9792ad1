import type { UIMessage } from 'ai';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { versioned, type LogEntry } from '../../protocol/entries.ts';
import type { LogFrame } from '../../protocol/frames.ts';
import { applyFrame } from '../../protocol/fold.ts';
import { messagesOf, type SessionState } from '../../protocol/session-state.ts';
import { Log } from '../follow/log.ts';
import { changeFrames, maxChanges, type Changes } from './changes.ts';

const message = (id: string, role: UIMessage['role'], text: string): UIMessage => ({
  id,
  role,
  parts: [{ type: 'text', text }],
});
const none: Changes = { seen: '', removed: [], edited: [] };

/** A minimal model of a session: its messages in order, each with the number of its last change. */
interface Model {
  readonly id: string;
  readonly role: UIMessage['role'];
  readonly text: string;
  readonly change: number;
  /** The run that writes it. */
  readonly writer?: string;
}

/** A step in a session. `at` selects the message. */
type Step = {
  readonly type:
    | 'say'
    | 'edit'
    | 'answer'
    | 'continue'
    | 'end'
    | 'delete'
    | 'truncate'
    | 'outcome'
    | 'forget';
  readonly at: number;
};

/** The entry of a step, and the model after it; undefined if the step has no message to act on. */
function take({ type, at }: Step, now: Model[], n: number): [Omit<LogEntry, 'id'>, Model[]] | undefined {
  const entry = (...frames: LogFrame[]) => ({ key: `k${n}`, frames });
  const pick = (which: (item: Model) => boolean) => {
    const items = now.filter(which);
    return items[at % items.length];
  };
  const change = (item: Model, to: Partial<Model>) =>
    now.map((one) => (one === item ? { ...one, ...to } : one));
  const start = (runId: string, messageId: string): LogFrame => ({
    type: 'run-start',
    runId,
    messageId,
    trigger: 'submit-message',
    at: 0,
  });
  switch (type) {
    case 'say': {
      // Also ids of earlier messages.
      const id = `u${at % 6}`;
      if (now.some((item) => item.id === id)) return undefined;
      const said: Model = { id, role: 'user', text: `say ${n}`, change: n };
      return [entry({ type: 'message', message: message(id, 'user', said.text) }), [...now, said]];
    }
    case 'edit': {
      const item = pick(({ role }) => role === 'user');
      if (!item) return undefined;
      const text = `edit ${n}`;
      return [
        entry({ type: 'message', message: message(item.id, 'user', text) }),
        change(item, { text, change: n }),
      ];
    }
    case 'answer': {
      const item: Model = { id: `a${n}`, role: 'assistant', text: '', change: n, writer: `r${n}` };
      return [entry(start(`r${n}`, item.id)), [...now, item]];
    }
    case 'continue': {
      const item = pick(({ role, writer }) => role === 'assistant' && writer === undefined);
      if (!item) return undefined;
      return [entry(start(`r${n}`, item.id)), change(item, { change: n, writer: `r${n}` })];
    }
    case 'end': {
      const item = pick(({ writer }) => writer !== undefined);
      if (!item) return undefined;
      const { writer: runId = '', ...rest } = item;
      const text = `end ${n}`;
      const end = { type: 'run-end', runId, reason: 'finish', chunks: 1 } as const;
      return [
        entry({ ...end, message: message(item.id, 'assistant', text) }),
        now.map((one) => (one === item ? { ...rest, text } : one)),
      ];
    }
    case 'delete': {
      const item = pick(() => true);
      if (!item) return undefined;
      return [entry({ type: 'message-delete', messageId: item.id }), now.filter((one) => one !== item)];
    }
    case 'truncate': {
      const item = pick(() => true);
      if (!item) return undefined;
      return [entry({ type: 'truncate', messageId: item.id }), now.slice(0, now.indexOf(item))];
    }
    case 'outcome': {
      const item = pick(({ role }) => role === 'assistant');
      if (!item) return undefined;
      const outcome = { state: 'output-available', output: n } as const;
      const answered = { messageId: item.id, toolCallId: 'c', outcome, outcomeId: `${n}` };
      return [entry({ type: 'tool-outcome', ...answered }), change(item, { change: n })];
    }
    case 'forget':
      return [{ key: 'deleted', frames: [] }, []];
    default:
      return type satisfies never;
  }
}

const steps = fc.array(
  fc.record({
    type: fc.oneof(
      { weight: 6, arbitrary: fc.constantFrom<Step['type'][]>('say', 'answer', 'end', 'edit') },
      { weight: 3, arbitrary: fc.constantFrom<Step['type'][]>('continue', 'delete', 'outcome', 'truncate') },
      { weight: 1, arbitrary: fc.constant<Step['type']>('forget') },
    ),
    at: fc.nat(20),
  }),
  { minLength: 6, maxLength: 25 },
);

/** The log of these steps, with the model after each entry. */
function play(all: readonly Step[]): { log: Log; models: ReadonlyMap<string, Model[]>; now: Model[] } {
  const log = new Log();
  const models = new Map<string, Model[]>();
  let now: Model[] = [];
  for (const [index, step] of all.entries()) {
    const [entry, after] = take(step, now, index) ?? [];
    if (!entry || !after) continue;
    now = after;
    log.add({ ...versioned(entry), id: `${index + 1}-0` });
    models.set(log.lastId, now);
  }
  return { log, models, now };
}

/** Every possible id of these steps, and the app's change of its message. */
const ids = [
  ...Array.from({ length: 6 }, (_, n) => `u${n}`),
  ...Array.from({ length: 25 }, (_, n) => `a${n}`),
];
const wishes = fc.array(fc.constantFrom('keep', 'remove', 'edit', 'both'), {
  minLength: ids.length,
  maxLength: ids.length,
});

function stoppedIn({ active }: SessionState): string[] {
  return active.flatMap(({ runId, stop }) => (stop ? [runId] : []));
}

describe('changeFrames', () => {
  it('applies changes of messages that are unchanged since the client saw them, and no others', () => {
    let applied = 0;
    fc.assert(
      fc.property(steps, fc.nat(), wishes, (all, at, wanted) => {
        const { log, models, now } = play(all);
        const places = [...models];
        const [seen, then] = places[at % Math.max(1, places.length)] ?? ['', []];
        const removed = ids.filter((_, index) => wanted[index] === 'remove' || wanted[index] === 'both');
        const rewritten = ids.filter((_, index) => wanted[index] === 'edit' || wanted[index] === 'both');
        const edited = rewritten.map((id) => message(id, 'user', 'edited'));
        const frames = changeFrames(log, { seen, removed, edited }, 'next', 'me');
        applied += frames.length;

        const isSame = ({ id, change }: Model) => then.some((one) => one.id === id && one.change === change);
        const isGone = (item: Model) => removed.includes(item.id) && isSame(item);
        const isEdited = (item: Model) => item.role === 'user' && rewritten.includes(item.id) && isSame(item);
        const expected = now.filter((item) => !isGone(item));
        const state = frames.reduce(applyFrame, log.state);
        expect(state.order).toEqual(expected.map(({ id }) => id));
        expect(messagesOf(state).map(({ id, parts }) => [id, parts])).toEqual(
          expected
            .filter(({ id }) => state.byId.has(id))
            .map((item) => [item.id, [{ type: 'text', text: isEdited(item) ? 'edited' : item.text }]]),
        );
        // A run that writes a removed message is stopped, and no other one.
        const writers = now.filter((item) => isGone(item)).flatMap(({ writer }) => writer ?? []);
        const stopped = stoppedIn(state).filter((runId) => !stoppedIn(log.state).includes(runId));
        // If no message is left, a run without a place is stopped too.
        const isClear = frames.some((frame) => 'all' in frame);
        if (isClear) expect(stopped).toEqual(expect.arrayContaining(writers));
        else expect(stopped.toSorted()).toEqual(writers.toSorted());
      }),
      { numRuns: 2_000 },
    );
    expect(applied).toBeGreaterThan(300);
  });

  it('nothing is removed from a log without the seen entry', () => {
    const { log } = play([{ type: 'say', at: 0 }]);
    for (const seen of ['', '7-7']) {
      expect(changeFrames(log, { ...none, seen, removed: ['u0'] }, 'next', undefined)).toEqual([]);
    }
  });

  it('the sent message itself is not changed', () => {
    const { log } = play([{ type: 'say', at: 0 }]);
    const changes = { seen: log.lastId, removed: ['u0'], edited: [message('u0', 'user', 'new')] };
    expect(changeFrames(log, changes, 'u0', undefined)).toEqual([]);
  });

  it('the removal of all messages is one frame; the removal of some has a limit', () => {
    const log = new Log();
    const all = Array.from({ length: maxChanges + 2 }, (_, n) => `m${n}`);
    const frames = all.map((id) => ({ type: 'message' as const, message: message(id, 'user', id) }));
    log.add({ id: '1-0', ...versioned({ key: 'k', frames }) });
    const remove = (removed: string[]) => changeFrames(log, { ...none, seen: '1-0', removed }, 'next', 'me');
    expect(remove(all)).toEqual([{ type: 'message-delete', all: true, by: 'me' }]);
    expect(remove(all.slice(0, maxChanges)).length).toBe(maxChanges);
    expect(() => remove(all.slice(1))).toThrow(expect.objectContaining({ code: 'too_large' }));
  });
});
