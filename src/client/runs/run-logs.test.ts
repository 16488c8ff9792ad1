import { expect, it } from 'vitest';
import type { RunEndFrame } from '../../protocol/frames.ts';
import { applyFrame } from '../../protocol/fold.ts';
import { emptySession } from '../../protocol/session-state.ts';
import { simulatedTime } from '../../test/fixtures/simulated-time.fixture.ts';
import { RunLogs } from './run-logs.ts';

const start = { type: 'run-start', runId: 'r', messageId: 'm', trigger: 'submit-message', at: 0 } as const;
const end: RunEndFrame = { type: 'run-end', runId: 'r', reason: 'finish', chunks: 2 };
const chunk = { type: 'text-start', id: '1' } as const;

/** A run whose `run-end` came from the session when one of its two chunks had come. */
function ended(isPosted: boolean) {
  const time = simulatedTime();
  const logs = new RunLogs(time);
  const active = applyFrame(emptySession, start);
  logs.take(start, emptySession, active);
  const log = logs.get('r');
  log.isPosted = isPosted;
  log.accept(0, [chunk]);
  logs.take(end, active, applyFrame(active, end));
  return { log, time };
}

it('a run ends with its frame', () => {
  expect(ended(false).log.ended).toBe(true);
});

it('a run that is read from its POST ends with the POST, or when the POST brings nothing more', async () => {
  const { log, time } = ended(true);
  expect(log.ended).toBe(false);
  expect(log.accept(1, [chunk])).toBe(true);
  await time.advance(4_000);
  expect(log.ended).toBe(false);
  await time.advance(2_000);
  expect(log.ended).toBe(true);
});
