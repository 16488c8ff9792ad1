// What must hold for a session after all failures of a schedule.

import type { UIMessageChunk } from 'ai';
import { systemRuntime } from '../../lib/runtime.ts';
import { isFailedStart, messagesOf } from '../../protocol/session-state.ts';
import { Log } from '../../server/follow/log.ts';
import { retry } from '../../server/lib/retry.ts';
import { textOf } from '../fixtures/tab.fixture.ts';
import type { Cluster } from './chaos-cluster.fixture.ts';

export interface Checked {
  readonly runs: number;
  /** How many runs ended with which reason. */
  readonly ends: Readonly<Record<string, number>>;
  readonly violations: readonly string[];
}

/**
 * Reads the session's log from the store. `accepted` are the messages that were answered with a run, each with
 * the runs of these answers.
 */
export async function checkSession(
  { channel, said, vanished }: Pick<Cluster, 'channel' | 'said' | 'vanished'>,
  sessionId: string,
  accepted: ReadonlyMap<string, ReadonlySet<string>>,
): Promise<Checked> {
  const violations: string[] = [];
  const demand = (holds: boolean, what: string) => void (holds || violations.push(what));
  const log = new Log();
  const started: string[] = [];
  const ended = new Map<string, string>();
  const writers = new Map<string, string>();
  /** How each removed message was removed. */
  const gone = new Map<string, string>();

  for (const entry of await patiently(() => channel.readLog(sessionId, ''))) {
    const before = log.state;
    // An entry that came too late has no effect.
    const counted = log.add(entry) ? log.entries.at(-1)!.frames : [];
    for (const id of before.order) {
      if (!log.state.order.includes(id)) gone.set(id, entry.frames.map(({ type }) => type).join());
    }
    for (const id of log.state.order) gone.delete(id);
    for (const frame of counted) {
      if (frame.type !== 'run-start') continue;
      started.push(frame.runId);
      writers.set(frame.messageId, frame.runId);
      // No schedule answers a tool call.
      demand(!before.byId.has(frame.messageId), `run ${frame.runId} continues message ${frame.messageId}`);
    }
    for (const frame of entry.frames) {
      if (frame.type !== 'run-end') continue;
      const { runId, reason, chunks } = frame;
      const first = ended.get(runId);
      const how = `${reason} after ${chunks} chunks`;
      // Every process that notices may write the end. All must write the same.
      // A closing entry that has vanished decides nothing: the log's first end counts.
      demand(
        first === undefined || first === how || vanished.has(runId),
        `run ${runId} ended twice: ${first}, and ${how}`,
      );
      ended.set(runId, first ?? how);
    }
  }

  const { state } = log;
  const messages = messagesOf(state);
  demand(state.active.length === 0, `${state.active.length} runs never ended`);
  demand(new Set(state.order).size === state.order.length, 'a message is there twice');
  const texts = messages.filter(({ role }) => role === 'user').map(textOf);
  demand(new Set(texts).size === texts.length, `a user's text is there twice: ${texts.join(' | ')}`);

  const ends: Record<string, number> = {};
  for (const runId of new Set(started)) {
    const end = state.ended.get(runId);
    demand(end !== undefined, `run ${runId} has no end`);
    if (!end) continue;
    const name = end.withdrawn ? 'withdrawn' : end.reason;
    ends[name] = (ends[name] ?? 0) + 1;
    if (end.withdrawn) continue;
    const spoken = said.get(runId)?.join('') ?? '';
    const message = writers.get(end.messageId) === runId ? state.byId.get(end.messageId) : undefined;
    if (vanished.has(runId)) {
      const text = textOf(message);
      demand(spoken.startsWith(text), `run ${runId}, which vanished, kept "${text}" of "${spoken}"`);
      const isWhole = !message || end.reason !== 'finish' || text === spoken;
      demand(isWhole, `run ${runId}, which vanished, finished with "${text}" of "${spoken}"`);
      continue;
    }
    const stored = await patiently(() => channel.readRun(sessionId, runId, 0));
    demand(
      stored.chunks.length === end.chunks,
      `run ${runId} has ${stored.chunks.length} chunks, not ${end.chunks}`,
    );
    demand(
      stored.closure?.reason === end.reason,
      `run ${runId} was closed as ${stored.closure?.reason}, not ${end.reason}`,
    );
    const kept = wordsOf(stored.chunks);
    demand(spoken.startsWith(kept), `run ${runId} (${end.reason}) kept "${kept}" of "${spoken}"`);
    demand(end.reason !== 'finish' || spoken === kept, `run ${runId} finished with "${kept}" of "${spoken}"`);
    if (message) {
      demand(textOf(message) === kept, `message ${message.id} says "${textOf(message)}", its run "${kept}"`);
    }
  }

  for (const [id, runs] of accepted) {
    const places = state.order.filter((one) => one === id).length;
    const how = gone.get(id) ?? 'never there';
    demand(
      places === 1 || (places === 0 && /truncate|run-withdraw/.test(how)),
      `accepted message ${id} is in the list ${places} times (${how})`,
    );
    // One send, one run. A send whose run failed at its start or was withdrawn may be sent again.
    const lasting = [...runs].filter((runId) => {
      const end = state.ended.get(runId);
      return end && !end.withdrawn && !isFailedStart(end.reason, end.chunks);
    });
    demand(lasting.length <= 1, `message ${id} became ${lasting.length} runs`);
  }
  return { runs: new Set(started).size, ends, violations };
}

/** A read of the check may time out once, as any read of the library: it is repeated, and the time is written down. */
function patiently<T>(read: () => Promise<T>): Promise<T> {
  const since = performance.now();
  return retry(
    systemRuntime,
    () =>
      read().catch((error: unknown) => {
        console.log(
          `a read of the check failed after ${Math.round(performance.now() - since)} ms: ${String(error)}`,
        );
        throw error;
      }),
    60_000,
  );
}

function wordsOf(chunks: readonly UIMessageChunk[]): string {
  return chunks.map((chunk) => (chunk.type === 'text-delta' ? chunk.delta : '')).join('');
}
