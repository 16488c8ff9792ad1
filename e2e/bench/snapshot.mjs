// Measures the snapshot that a late viewer loads while an answer is still being written.
import { setTimeout as after } from 'node:timers/promises';
import { readUntil, startChat } from './server.mjs';

const deltas = 10_000;

export async function benchSnapshot() {
  let finish;
  const finished = new Promise((resolve) => (finish = resolve));
  const text = Array.from({ length: deltas }, (_, index) => (index === 0 ? '1' : ` ${index + 1}`));
  const chat = await startChat({
    chunksPerSecond: Infinity,
    async *script() {
      yield* text;
      await finished;
    },
  });
  const response = await chat.send('/durable', 'snapshot', 'go');
  const read = readUntil(response);
  const textBytes = Buffer.byteLength(text.join(''));
  let event = '';
  let ms = 0;
  // Before the model's chunks are in the store, a snapshot has only the first of them.
  for (let complete = false; !complete; await after(20)) {
    const askedAt = performance.now();
    const subscription = await fetch(`${chat.url}/durable?id=snapshot`);
    event = /[^]*?"type":"snapshot"[^]*?\n\n/.exec(
      await readUntil(subscription, /"type":"snapshot"[^]*?\n\n/),
    )[0];
    ms = performance.now() - askedAt;
    complete = event.includes(`${text.at(-1)}"`);
  }
  finish();
  await read;
  await chat.close();
  const bytes = Buffer.byteLength(event);
  const budget = 1.2 * textBytes + 2048;
  return [
    {
      what: `snapshot of a running answer of ${deltas} deltas`,
      budget: `≤ ${budget.toFixed(0)} bytes (1.2 × ${textBytes} + 2048)`,
      measured: `${bytes} bytes, after ${ms.toFixed(0)} ms`,
      ok: bytes <= budget,
    },
  ];
}
