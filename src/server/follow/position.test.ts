import { expect, it } from 'vitest';
import { emptySession } from '../../protocol/session-state.ts';
import { past, positionNow, withDurability } from './position.ts';

it('a run that is degraded before its start was sent is reported as degraded after its start', () => {
  const degraded = new Set(['r']);
  const position = positionNow({ entries: [], state: emptySession }, () => 0, new Set());
  const early = withDurability(position, degraded);
  expect(early.frames).toEqual([]);
  const start = { type: 'run-start', runId: 'r', messageId: 'm', trigger: 'submit-message', at: 0 } as const;
  const started = past(early.position, { id: '1-0', key: 'start', frames: [start] }, emptySession);
  expect(started.frames).toEqual([start]);
  const late = withDurability(started.position, degraded);
  expect(late.frames).toEqual([{ type: 'durability', runId: 'r', durability: 'degraded' }]);
  expect(withDurability(late.position, degraded).frames).toEqual([]);
  expect(withDurability(late.position, new Set()).frames).toEqual([
    { type: 'durability', runId: 'r', durability: 'durable' },
  ]);
});
