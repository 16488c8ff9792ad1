import { streamText } from 'ai';
import { expect, it, vi } from 'vitest';
import { scriptedModel } from './scripted-model.ts';

/** The text of a count, and the part that the model has emitted so far. */
function ask(model: ReturnType<typeof scriptedModel>, prompt: string, abortSignal?: AbortSignal) {
  const { text } = streamText({ model, prompt, ...(abortSignal && { abortSignal }), onError: () => {} });
  const answer = Promise.resolve(text);
  answer.catch(() => {});
  return { answer, emitted: () => model.calls[0]?.emitted };
}

/** Waits for turns of the event loop in which a model without a pace would emit a hundred items. */
async function turns(): Promise<void> {
  for (let turn = 0; turn < 100; turn++) await new Promise((resolve) => setImmediate(resolve));
}

it('waits where the text asks for it, each time until the test releases it', async () => {
  const waiting: (() => void)[] = [];
  const hold = () => new Promise<void>((resolve) => waiting.push(resolve));
  const { answer, emitted } = ask(
    scriptedModel({ hold, chunksPerSecond: Infinity }),
    'count to 9, hold at 3, 5',
  );
  for (const [held, at] of [3, 5].entries()) {
    await vi.waitFor(() => expect(waiting).toHaveLength(held + 1));
    await turns();
    expect(emitted()).toBe(at);
    waiting[held]!();
  }
  expect(await answer).toBe('1 2 3 4 5 6 7 8 9');
});

it('continues at its pace after a hold, and does not catch up', async () => {
  let heldUntil = 0;
  const hold = async () => {
    await new Promise((resolve) => setTimeout(resolve, 300));
    heldUntil = performance.now();
  };
  await ask(scriptedModel({ hold }), 'count to 9 at 50/s, hold at 3').answer;
  // Items 4 to 9; item 4 comes at once.
  expect(performance.now() - heldUntil).toBeGreaterThan(90);
});

it('a hold ends with its call', async () => {
  const signals: AbortSignal[] = [];
  const hold = (signal: AbortSignal) => (signals.push(signal), new Promise(() => {}));
  const model = scriptedModel({ hold });
  const stop = new AbortController();
  ask(model, 'count to 9, hold at 0', stop.signal);
  await vi.waitFor(() => expect(signals).toHaveLength(1));
  stop.abort();
  await vi.waitFor(() => expect(signals[0]?.aborted).toBe(true));
  expect(model.calls[0]).toMatchObject({ aborted: true, emitted: 0 });
});

it('a model without a hold answers such a text without waiting', async () => {
  expect(await ask(scriptedModel(), 'count to 9 at 500/s, hold at 3').answer).toBe('1 2 3 4 5 6 7 8 9');
});
