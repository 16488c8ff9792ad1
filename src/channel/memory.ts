// Sessions in this process's memory: for development and tests, and the reference for other channels.

import type { UIMessageChunk } from 'ai';
import type { LogEntry } from '../protocol/frames.ts';
import type { Channel, Closure, Wake } from './channel.ts';

interface Run {
  chunks: UIMessageChunk[];
  closure?: Closure;
}

interface Lease {
  until: number;
  stop: boolean;
}

interface Session {
  log: LogEntry[];
  runs: Map<string, Run>;
  claims: Map<string, { run: string; until: number }>;
  holds: Map<string, { holder: string; until: number }>;
  leases: Map<string, Lease>;
  subscribers: Set<(wake: Wake) => void>;
}

/** Everything goes through JSON, so that nobody shares an object with the store. */
function copy<T>(value: T): T {
  return JSON.parse(JSON.stringify(value)) as T; // a JSON value survives as it was
}

/** A channel that lives and dies with this process. */
export function memoryChannel(): Channel {
  const sessions = new Map<string, Session>();
  let sequence = 0;

  function sessionOf(id: string): Session {
    let session = sessions.get(id);
    if (!session) {
      session = {
        log: [],
        runs: new Map(),
        claims: new Map(),
        holds: new Map(),
        leases: new Map(),
        subscribers: new Set(),
      };
      sessions.set(id, session);
    }
    return session;
  }

  function runOf(session: Session, id: string): Run {
    let run = session.runs.get(id);
    if (!run) session.runs.set(id, (run = { chunks: [] }));
    return run;
  }

  function leaseOf(session: Session, run: string): Lease | undefined {
    const lease = session.leases.get(run);
    return lease && lease.until > Date.now() ? lease : undefined;
  }

  /** Subscribers hear of it in a later microtask, as they would over a network. */
  function publish(session: Session, wake: Wake): void {
    for (const subscriber of session.subscribers) queueMicrotask(() => subscriber(copy(wake)));
  }

  function after(session: Session, id: string): LogEntry[] {
    const index = id === '' ? 0 : session.log.findIndex((entry) => sequenceOf(entry.id) > sequenceOf(id));
    return index === -1 ? [] : copy(session.log.slice(index));
  }

  return {
    async claim(id, key, run) {
      const session = sessionOf(id);
      let claim = session.claims.get(key);
      if (!claim || claim.until <= Date.now()) {
        claim = { run, until: Date.now() + 60_000 };
        session.claims.set(key, claim);
      }
      return { run: claim.run, entries: after(session, '') };
    },
    async hold(id, key, holder, ms) {
      const { holds } = sessionOf(id);
      const held = holds.get(key);
      if (held && held.holder !== holder && held.until > Date.now()) return held.holder;
      holds.set(key, { holder, until: Date.now() + ms });
      return holder;
    },
    async unclaim(id, key) {
      sessionOf(id).claims.delete(key);
    },
    async readLog(id, afterId) {
      return after(sessionOf(id), afterId);
    },
    async append(id, entry, options) {
      const session = sessionOf(id);
      const { lease } = options;
      if (lease?.type === 'take') {
        session.leases.set(lease.run, { until: Date.now() + lease.ms, stop: false });
      } else if (lease?.type === 'stop') {
        const held = leaseOf(session, lease.run);
        if (held) held.stop = true;
      } else if (lease?.type === 'release') {
        session.leases.delete(lease.run);
        if (lease.key !== undefined) session.claims.delete(lease.key);
      }
      session.log.push(copy({ id: `${++sequence}-0`, key: entry.key, frames: entry.frames }));
      publish(session, { type: 'log', key: entry.key });
      return options.after === undefined ? [] : after(session, options.after);
    },
    async write(id, runId, from, chunks) {
      const session = sessionOf(id);
      const run = runOf(session, runId);
      if (run.closure) return 'closed';
      const fresh = copy(chunks.slice(Math.max(0, run.chunks.length - from)));
      run.chunks.push(...fresh);
      publish(session, { type: 'chunks', run: runId, from, chunks });
      return 'stored';
    },
    async close(id, runId, closure, options) {
      const session = sessionOf(id);
      const run = runOf(session, runId);
      run.closure ??= copy(closure);
      if (options?.fence) publish(session, { type: 'closed', run: runId });
      return copy(run.closure);
    },
    async readRun(id, runId, from) {
      const run = sessionOf(id).runs.get(runId);
      if (!run) return { chunks: [] };
      return copy({ chunks: run.chunks.slice(from), ...(run.closure && { closure: run.closure }) });
    },
    async heartbeat(id, run, ms) {
      const session = sessionOf(id);
      const held = leaseOf(session, run);
      session.leases.set(run, { until: Date.now() + ms, stop: held?.stop ?? false });
      return held ? (held.stop ? 'stop' : 'running') : 'lapsed';
    },
    async alive(id, runs) {
      const session = sessionOf(id);
      return runs.map((run) => leaseOf(session, run) !== undefined);
    },
    async subscribe(id, onWake) {
      const { subscribers } = sessionOf(id);
      subscribers.add(onWake);
      return {
        renew: async () => {},
        close: () => void subscribers.delete(onWake),
      };
    },
  };
}

function sequenceOf(id: string): number {
  return Number.parseInt(id, 10);
}
