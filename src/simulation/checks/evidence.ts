// What a schedule has done, as the checks need it, and the violations that they found.

import type { UIMessage, UIMessageChunk } from 'ai';
import type { Process } from '../world/process.ts';
import type { World } from '../world/world.ts';

/** One call of the app's handler. */
export interface Call {
  readonly runId: string;
  readonly process: Process;
  /** The history that it was given. */
  readonly messages: readonly UIMessage[];
  /** What it has emitted. */
  readonly said: UIMessageChunk[];
  readonly at: number;
  abortedAt: number | undefined;
}

/** A send of a page that the server has answered with a run. */
export interface Accepted {
  readonly sessionId: string;
  readonly messageId: string;
  readonly runId: string;
}

export interface Violation {
  readonly guarantee: string;
  readonly what: string;
  readonly at: number;
}

export class Evidence {
  readonly violations: Violation[] = [];
  readonly calls: Map<string, Call[]> = new Map<string, Call[]>();
  readonly accepted: Accepted[] = [];
  /** Runs that a stop's receipt names, and when it came. */
  readonly stopped: Map<string, number> = new Map<string, number>();
  readonly world: World;

  constructor(world: World) {
    this.world = world;
  }

  violation(guarantee: string, what: string): void {
    this.world.trace(() => `!! ${guarantee}: ${what}`);
    this.violations.push({ guarantee, what, at: Math.round(this.world.elapsed) });
  }

  /** Demands that something holds. */
  demand(holds: boolean, guarantee: string, what: () => string): void {
    if (!holds) this.violation(guarantee, what());
  }

  /** The handler is called. Returns the list for what it emits. */
  begin(runId: string, process: Process, messages: readonly UIMessage[]): UIMessageChunk[] {
    const call: Call = {
      runId,
      process,
      messages,
      said: [],
      at: this.world.elapsed,
      abortedAt: undefined,
    };
    this.world.trace(() => `${process.name} handler of ${runId} (${messages.length} messages)`);
    const calls = this.calls.get(runId) ?? [];
    this.calls.set(runId, [...calls, call]);
    return call.said;
  }

  aborted(runId: string): void {
    this.world.trace(() => `handler of ${runId} is aborted`);
    for (const call of this.calls.get(runId) ?? []) call.abortedAt ??= this.world.elapsed;
  }
}
