// Counts a run's commands to the store as Upstash bills them.
import { setTimeout as after } from 'node:timers/promises';
import { readUntil, startChat } from './server.mjs';

const scenarios = [
  { chunks: 100, rate: 25 },
  { chunks: 500, rate: 100 },
  { chunks: 2000, rate: 200 },
];

export async function benchCommands() {
  const all = scenarios.flatMap((scenario) => [false, true].map((viewer) => ({ ...scenario, viewer })));
  return Promise.all(all.map(measure));
}

async function measure({ chunks, rate, viewer }) {
  const chat = await startChat();
  const leave = new AbortController();
  // The viewer's own subscription and reads count as the run's.
  const watched = viewer ? watch(chat, leave.signal) : undefined;
  await watched?.opened;
  const response = await chat.send('/durable', 'commands', `count to ${chunks} at ${rate}/s`);
  const run = response.headers.get('x-durable-run');
  await readUntil(response);
  await watched?.ended;
  leave.abort();
  await untilQuiet(chat.store);

  const { commands } = chat.store;
  const [key] = await chat.store.command('KEYS', `*:run:${run}`);
  const flushes = (await chat.store.command('XLEN', key)) - 1; // the last entry closes it
  const byName = Object.entries(chat.store.counts()).map(([name, n]) => `${name} ${n}`);
  await chat.close();
  const budget = 2 * flushes + 20;
  return {
    what: `commands, ${chunks} chunks at ${rate}/s, ${viewer ? 'one viewer' : 'no viewer'}`,
    budget: `≤ ${budget} (2 × ${flushes} + 20)`,
    measured: `${commands} (${byName.sort().join(', ')})`,
    ok: commands <= budget,
  };
}

/** Ends with the response, so that the measurement itself sends no commands to the store. */
function watch(chat, signal) {
  const response = fetch(`${chat.url}/durable?id=commands`, { signal });
  return {
    opened: response.then(() => {}),
    ended: response.then((opened) => readUntil(opened, /"type":"run-end"/)),
  };
}

/** The end of a run is written, and read by its viewers, a moment after the response. */
async function untilQuiet(store) {
  for (let before = -1; before !== store.commands;) {
    before = store.commands;
    await after(300);
  }
}
