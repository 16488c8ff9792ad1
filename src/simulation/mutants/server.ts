// Mutants of the server: runs, leases, subscriptions and viewers.

import type { Mutant } from './mutant.ts';

const control = 'src/server/run/control.ts';
const copy = 'src/server/follow/copy.ts';
const leases = 'src/server/follow/leases.ts';

/** The mutants of the server. */
export const serverMutants: readonly Mutant[] = [
  {
    name: 'heartbeats on the wall clock',
    file: control,
    from: `if (runtime.monotonic() < due) return;
    due = runtime.monotonic() + period;`,
    to: `if (runtime.now() < due) return;
    due = runtime.now() + period;`,
  },
  {
    name: 'no heartbeats',
    file: control,
    from: `renew().catch(() => (due = 0));`,
    to: ``,
  },
  {
    name: 'a stop does not abort the model',
    file: control,
    from: `controller.abort();`,
    to: ``,
  },
  {
    name: 'a process takes its own run for dead',
    file: leases,
    from: `isActive(state(), runId) && !this.#own.has(runId)`,
    to: `isActive(state(), runId)`,
  },
  {
    name: 'a dead run is not ended',
    file: leases,
    from: `const dead = ended.filter((runId) => isActive(state(), runId));`,
    to: `const dead: string[] = [];`,
  },
  {
    name: 'a run is ended again before its end was read',
    file: leases,
    from: `if (ended.length > 0) await refresh();`,
    to: ``,
  },
  {
    name: 'a missing lease right after a failure of the store ends a run',
    file: leases,
    from: `if (isShaken) return { dead: 0, leftMs: againMs };`,
    to: ``,
  },
  {
    name: 'a wake-up with a gap is not followed by a read',
    file: copy,
    from: `if (how === 'gap') return this.#readRun(wake.runId, wake.from + wake.chunks.length);`,
    to: ``,
  },
  {
    name: 'no contiguity check of wake-ups',
    file: 'src/server/follow/run-buffers.ts',
    from: `if (from > known) return 'gap';`,
    to: ``,
  },
  {
    name: 'a stale read of a run is taken for its end',
    file: copy,
    from: `return this.#store.readRun(runId, from, { fresh: true });`,
    to: `return tail;`,
  },
  {
    name: 'an await is left out where an ended run is read',
    file: copy,
    from: `if (this.#runs.has(runId) && this.#runs.countOf(runId) < chunks) await this.#readRun(runId, chunks);`,
    to: `if (this.#runs.has(runId) && this.#runs.countOf(runId) < chunks) void this.#readRun(runId, chunks);`,
  },
  {
    name: 'reads of the store overtake each other',
    file: copy,
    from: `const done = this.#queue.then(() => (this.#closed ? undefined : task()));`,
    to: `const done = Promise.resolve().then(() => (this.#closed ? undefined : task()));`,
  },
  {
    name: 'a wake-up of an entry that a replica does not have is dropped',
    file: copy,
    from: `if (!this.log.hasKey(wake.key)) await this.#readLog(true);`,
    to: ``,
  },
  {
    name: 'silence is never checked',
    file: 'src/server/follow/watchdog.ts',
    from: `if (!expects) return idleSilenceMs;
      return Math.min(longestActiveSilenceMs, Math.max(activeSilenceMs, state.quietMs));`,
    to: `return undefined;`,
  },
  {
    name: 'a viewer is not sent the rest of a run before its end',
    file: 'src/server/follow/position.ts',
    from: `return from !== undefined && from < to ? { runId, from, to } : [];`,
    to: `return [];`,
  },
  {
    name: 'a cursor inside a group of frames',
    file: 'src/server/follow/viewer.ts',
    from: `for (const frame of frames.slice(0, -1)) yield { frame };`,
    to: `for (const frame of frames.slice(0, -1)) yield { frame, cursor: cursorOf(session.sessionId, position) };`,
  },
  {
    name: 'a queued run does not wait for its turn',
    file: 'src/server/run/turn.ts',
    from: `placed.queued ? await waitForTurn(session, placed.runId, leaseMs, signal) : placed.state;`,
    to: `placed.state;`,
  },
  {
    name: 'an await is left out where a run drains',
    file: 'src/server/run/write-queue.ts',
    from: `while ((working || pending.length > 0) && end !== 'closed') await start();`,
    to: `void start();`,
  },
  {
    name: 'a send of a run that exists becomes another run',
    file: 'src/server/send/idempotency.ts',
    from: `if (known !== undefined) return { type: 'attach', runId: known };`,
    to: ``,
  },
  {
    name: 'a reservation is kept after a refusal',
    file: 'src/server/send/send.ts',
    from: `await giveBack(reservation).catch(() => {});
      if (tries === 1`,
    to: `if (tries === 1`,
  },
  {
    name: 'the end of a run has no message',
    file: 'src/server/follow/end.ts',
    from: `chunks: chunks.length, ...kept, ...tried }`,
    to: `chunks: chunks.length, ...tried }`,
  },
  {
    name: 'the end of a run has the message without its last part',
    file: 'src/server/follow/end.ts',
    from: `await keptMessage(chunks, base, closure.reason);`,
    to: `await keptMessage(chunks.slice(0, -3), base, closure.reason);`,
  },
  {
    name: 'the end of a run is appended without a retry',
    file: 'src/server/follow/end.ts',
    from: `await retry(runtime, append, forMs);`,
    to: `await append().catch(() => {});`,
  },
  {
    name: 'a batch that was not stored is dropped',
    file: 'src/server/run/write-queue.ts',
    from: `const result = await retry(runtime, () => write(stored, batch), patienceMs);`,
    to: `const result = await write(stored, batch).catch(() => 'stored' as const);`,
  },
  {
    name: 'an open tool call stands in the history of the next run',
    file: 'src/server/history/readable-history.ts',
    from: `return message.id === messageId ? message : closeParts(message, 'passed');`,
    to: `return message;`,
  },
];
