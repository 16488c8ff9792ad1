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
  /** Whether it has ended by itself. */
  isOver: boolean;
}

export interface Violation {
  readonly guarantee: string;
  readonly what: string;
  readonly at: number;
}

export class Evidence {
  readonly violations: Violation[] = [];
  readonly calls: Map<string, Call[]> = new Map<string, Call[]>();
  /** Whether any fault has happened. */
  isDisturbed: boolean = false;
  /** How often each user message was sent. */
  readonly asked: Map<string, number> = new Map<string, number>();
  /** Runs that a stop's receipt names, and when it came. */
  readonly stopped: Map<string, number> = new Map<string, number>();
  readonly world: World;

  constructor(world: World) {
    this.world = world;
  }

  /** The longest time of a kind, for the report. */
  readonly times: Map<string, number> = new Map<string, number>();

  slowest(kind: string, ms: number): void {
    this.times.set(kind, Math.max(ms, this.times.get(kind) ?? 0));
  }

  violation(guarantee: string, what: string): void {
    this.world.trace(() => `!! ${guarantee}: ${what}`);
    this.violations.push({ guarantee, what, at: Math.round(this.world.elapsed) });
  }

  /** Demands that something holds. */
  demand(holds: boolean, guarantee: string, what: () => string): void {
    if (!holds) this.violation(guarantee, what());
  }

  /** The handler is called. It adds what it emits. */
  begin(runId: string, process: Process, messages: readonly UIMessage[]): Call {
    const call: Call = {
      runId,
      process,
      messages,
      said: [],
      at: this.world.elapsed,
      abortedAt: undefined,
      isOver: false,
    };
    this.world.trace(() => `${process.name} handler of ${runId} (${messages.length} messages)`);
    const calls = this.calls.get(runId) ?? [];
    this.calls.set(runId, [...calls, call]);
    return call;
  }

  /** The user message is sent, or asked to be answered again. */
  ask(messageId: string): void {
    this.asked.set(messageId, (this.asked.get(messageId) ?? 0) + 1);
  }

  /** How many calls answer each user message. */
  answers(): Map<string, number> {
    const counts = new Map<string, number>();
    for (const [call] of this.calls.values()) {
      const id = askedOf(call!);
      // A send whose handler failed before it said anything can be sent again.
      if (id !== undefined && call!.said.length > 0) counts.set(id, (counts.get(id) ?? 0) + 1);
    }
    return counts;
  }

  /** The first call that answers a user message. */
  callFor(messageId: string): Call | undefined {
    return [...this.calls.values()].flat().find((call) => askedOf(call) === messageId);
  }

  aborted(runId: string): void {
    this.world.trace(() => `handler of ${runId} is aborted`);
    for (const call of this.calls.get(runId) ?? []) call.abortedAt ??= this.world.elapsed;
  }
}

/** The user message that a call answers. */
function askedOf({ messages }: Call): string | undefined {
  return messages.findLast(({ role }) => role === 'user')?.id;
}
