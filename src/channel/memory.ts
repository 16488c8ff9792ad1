// Sessions in the memory of this process: for development and tests. It is the reference for other channels.

import type { UIMessageChunk } from 'ai';
import { systemRuntime, type Runtime } from '../lib/runtime.ts';
import { deletedEntry, unendedRuns, versioned, type LogEntry } from '../protocol/entries.ts';
import type { RunEnding } from '../protocol/frames.ts';
import { checkEntry } from '../protocol/size.ts';
import type { Channel, Wake } from './channel.ts';

interface Run {
  chunks: UIMessageChunk[];
  closure?: RunEnding;
}

interface Lease {
  until: number;
  stop: boolean;
}

interface Session {
  log: LogEntry[];
  runs: Map<string, Run>;
  reservations: Map<string, { runId: string; until: number }>;
  claims: Map<string, { holder: string; until: number }>;
  leases: Map<string, Lease>;
  until: number;
}

/** The options of `memoryChannel`. */
export interface MemoryChannelOptions {
  /**
   * How long a session is kept after its last send, in seconds.
   * @defaultValue 604,800 (7 days)
   */
  readonly ttl?: number;
}

/** Copies through JSON, as a real store does, so that no caller shares an object with the store. */
function copy<T>(value: T): T {
  return JSON.parse(JSON.stringify(value)) as T; // a JSON value survives as it was
}

/**
 * A channel in the memory of this process. Other processes do not see its sessions, and a restart loses them.
 *
 * @param options How long sessions are kept.
 * @param runtime The clock, for tests that simulate time.
 * @returns The channel, for the option `channel` of `createDurableChat` and `durableRoute`.
 */
export function memoryChannel(
  { ttl = 7 * 24 * 3600 }: MemoryChannelOptions = {},
  runtime: Runtime = systemRuntime,
): Channel {
  /** A monotonic clock: a change of the system time must not end leases or sessions. */
  const now = () => runtime.monotonic();
  /** In the order of their expiry. */
  const sessions = new Map<string, Session>();
  const subscribers = new Map<string, Set<(wake: Wake) => void>>();
  let sequence = 0;

  function find(id: string): Session | undefined {
    for (const [oldest, { until }] of sessions) {
      if (until > now()) break;
      sessions.delete(oldest);
    }
    return sessions.get(id);
  }

  function sessionOf(id: string): Session {
    const known = find(id);
    if (known) return known;
    const maps = { runs: new Map(), reservations: new Map(), claims: new Map(), leases: new Map() };
    return keep(id, { log: [], ...maps, until: 0 });
  }

  function keep(id: string, session: Session): Session {
    session.until = now() + ttl * 1000;
    sessions.delete(id);
    sessions.set(id, session);
    return session;
  }

  function runOf(session: Session, id: string): Run {
    let run = session.runs.get(id);
    if (!run) session.runs.set(id, (run = { chunks: [] }));
    return run;
  }

  function leaseOf(session: Session, runId: string): Lease | undefined {
    const lease = session.leases.get(runId);
    return lease && lease.until > now() ? lease : undefined;
  }

  /** Calls subscribers in a later microtask, because a network would not call them synchronously either. */
  function publish(id: string, wake: Wake): void {
    for (const subscriber of subscribers.get(id) ?? []) queueMicrotask(() => subscriber(copy(wake)));
  }

  function after({ log }: Session, id: string): LogEntry[] {
    return copy(log.filter((entry) => sequenceOf(entry.id) > sequenceOf(id)));
  }

  return {
    async reserve(id, key, runId) {
      const session = sessionOf(id);
      let reservation = session.reservations.get(key);
      if (!reservation || reservation.until <= now()) {
        reservation = { runId, until: now() + 60_000 };
        session.reservations.set(key, reservation);
      }
      return { runId: reservation.runId, entries: after(session, '') };
    },
    async claim(id, key, holder, ms) {
      const { claims } = sessionOf(id);
      const current = claims.get(key);
      if (current && current.holder !== holder && current.until > now()) return current.holder;
      claims.set(key, { holder, until: now() + ms });
      return holder;
    },
    async release(id, key) {
      find(id)?.reservations.delete(key);
    },
    async readLog(id, from) {
      const log = find(id)?.log ?? [];
      return copy(
        log.slice(
          Math.max(
            0,
            log.findIndex((entry) => entry.id === from),
          ),
        ),
      );
    },
    async append(id, entry, options) {
      const stored = versioned(entry);
      checkEntry(JSON.stringify(stored));
      const session = sessionOf(id);
      const { lease } = options;
      if (lease?.type === 'take') {
        session.leases.set(lease.runId, { until: now() + lease.ms, stop: false });
      } else if (lease?.type === 'stop') {
        const known = leaseOf(session, lease.runId);
        if (known) known.stop = true;
      } else if (lease?.type === 'release') {
        session.leases.delete(lease.runId);
        if (lease.key !== undefined) session.reservations.delete(lease.key);
      }
      const begins = !(options.existing ?? (lease?.type === 'stop' || lease?.type === 'release'));
      if (begins) keep(id, session);
      if (begins || session.log.length > 0) {
        session.log.push(copy({ id: `${++sequence}-0`, ...stored }));
      }
      publish(id, { type: 'log', key: entry.key });
      return options.after === undefined ? [] : after(session, options.after);
    },
    async write(id, runId, from, chunks) {
      const session = sessionOf(id);
      const run = runOf(session, runId);
      if (run.closure) return 'closed';
      if (from > run.chunks.length) return 'gone';
      const fresh = copy(chunks.slice(Math.max(0, run.chunks.length - from)));
      run.chunks.push(...fresh);
      publish(id, { type: 'chunks', runId, from, chunks });
      return 'stored';
    },
    async close(id, runId, closure) {
      const session = sessionOf(id);
      const run = runOf(session, runId);
      run.closure ??= copy(closure);
      return copy(run.closure);
    },
    async readRun(id, runId, from) {
      const run = find(id)?.runs.get(runId);
      if (!run) return { chunks: [] };
      return copy({ chunks: run.chunks.slice(from), ...(run.closure && { closure: run.closure }) });
    },
    async delete(id) {
      const { log, runs } = sessionOf(id);
      sessions.delete(id);
      for (const runId of unendedRuns(log)) {
        const { closure = { reason: 'stop' } } = runs.get(runId) ?? {};
        sessionOf(id).runs.set(runId, { chunks: [], closure });
      }
      sessionOf(id).log.push({ id: `${++sequence}-0`, ...deletedEntry });
      publish(id, { type: 'deleted' });
    },
    async heartbeat(id, runId, ms) {
      const session = sessionOf(id);
      const known = leaseOf(session, runId);
      session.leases.set(runId, { until: now() + ms, stop: known?.stop ?? false });
      return known ? (known.stop ? 'stop' : 'running') : 'lapsed';
    },
    async leases(id, runs) {
      const session = find(id);
      return runs.map((runId) => {
        const lease = session && leaseOf(session, runId);
        return lease ? lease.until - now() : 0;
      });
    },
    async subscribe(id, onWake) {
      const all = subscribers.get(id) ?? new Set();
      subscribers.set(id, all.add(onWake));
      return {
        close() {
          all.delete(onWake);
          if (all.size === 0 && subscribers.get(id) === all) subscribers.delete(id);
        },
      };
    },
  };
}

/** The number of an entry's id; '' comes before all ids. */
function sequenceOf(id: string): number {
  return id === '' ? 0 : Number.parseInt(id, 10);
}
