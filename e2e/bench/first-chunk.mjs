// Measures what durability adds to the time until the first chunk.
import { setTimeout as after } from 'node:timers/promises';
import { readUntil, startChat, startRemoteStore } from './server.mjs';

/** Much longer than anything else that is measured. */
const roundTripMs = 400;
const runs = 100;

/** The store stops replying just before the model's first chunk. A chunk that still arrives did not wait for it. */
export async function benchFirstChunk() {
  let chat;
  chat = await startChat({
    async *script() {
      chat.store.faults.inject({ kind: 'hang' });
      yield 'first';
      await after(1_000);
    },
  });
  const response = await chat.send('/durable', 'hanging', 'go');
  const arrived = readUntil(response, /"delta":"first"/).then((text) => text.includes('"first"'));
  const alone = await Promise.race([arrived, after(900, false)]);
  await chat.close();
  return [
    {
      what: "store round trips from the model's first chunk to the sender's wire",
      budget: '0',
      measured: alone ? '0 (it arrives while the store hangs)' : '≥ 1 (it waits for the store)',
      ok: alone,
    },
  ];
}

/** Every reply of the store takes the same long time. The result counts these times. */
export async function benchBeforeHandler() {
  let calledAt = 0;
  const chat = await startChat({
    chunksPerSecond: Infinity,
    onCall: () => (calledAt = performance.now()),
  });
  const rows = [];
  for (const turn of ['first turn', 'second turn']) {
    chat.store.faults.inject({ kind: 'delay', ms: roundTripMs });
    const sentAt = performance.now();
    const response = await chat.send('/durable', 'before', 'count to 3');
    const trips = Math.floor((calledAt - sentAt) / roundTripMs);
    rows.push({
      what: `store round trips before the handler is called, ${turn}`,
      budget: '≤ 2',
      measured: `${trips} (${(calledAt - sentAt).toFixed(0)} ms at ${roundTripMs} ms each)`,
      ok: trips <= 2,
    });
    await readUntil(response);
    chat.store.faults.clear();
    await untilEnded(chat, 'before');
  }
  await chat.close();
  return rows;
}

/** Measures both routes alternately in one process, so that only the route differs. */
export async function benchLatency() {
  let emittedAt = 0;
  const chat = await startChat({
    store: await startRemoteStore(),
    *script() {
      emittedAt = performance.now();
      yield 'first';
      yield ' last';
    },
  });
  const times = { '/plain': [], '/durable': [] };
  for (let run = -20; run < runs; run++) {
    for (const path of Object.keys(times)) {
      const sentAt = performance.now();
      const response = await chat.send(path, `latency-${run}`, 'go');
      await readUntil(response, /"delta":"first"/);
      const now = performance.now();
      // The first rounds only warm up.
      if (run >= 0) times[path].push({ wire: now - emittedAt, whole: now - sentAt });
      await after(5);
    }
  }
  await chat.close();
  return [row("latency, model's first chunk → reader", 'wire'), row('latency, send → first chunk', 'whole')];

  function row(what, key) {
    const [plain, durable] = Object.values(times).map((all) => median(all.map((one) => one[key])));
    return {
      what: `${what} (median of ${runs})`,
      budget: '—',
      measured: `${(durable / plain).toFixed(2)} × (durable ${durable.toFixed(2)} ms, plain ${plain.toFixed(2)} ms)`,
    };
  }
}

function median(values) {
  return values.sort((a, b) => a - b)[values.length >> 1];
}

async function untilEnded(chat, session) {
  for (;;) {
    const { runs: active } = await chat.session(session).read();
    if (active.length === 0) return;
    await after(20);
  }
}
