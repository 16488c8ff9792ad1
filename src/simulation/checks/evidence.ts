// What a schedule has done, as the checks need it, and the violations that they found.

import type { UIMessage, UIMessageChunk } from 'ai';
import type { Process } from '../world/process.ts';
import type { World } from '../world/world.ts';

/** One call of the app's handler. */
export interface Call {
  readonly runId: string;
  readonly sessionId: string;
  /** The name of its send: see `Sent`. */
  readonly send: string | undefined;
  /** It waits for no other run. */
  readonly isParallel: boolean;
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

/** A guarantee that does not hold. */
export interface Violation {
  readonly guarantee: string;
  readonly what: string;
  readonly at: number;
}

/** The evidence of one schedule. */
export class Evidence {
  readonly violations: Violation[] = [];
  readonly calls: Map<string, Call[]> = new Map<string, Call[]>();
  /** Whether any fault has happened. */
  isDisturbed: boolean = false;
  /** Sessions of which the store has lost data, or that were deleted. */
  readonly lost: Set<string> = new Set<string>();
  /** How many frames were compared with what was emitted and with the store. */
  framesChecked: number = 0;
  /** Runs that a stop's receipt names, and when it came. */
  readonly stopped: Map<string, number> = new Map<string, number>();
  readonly world: World;

  /** The longest time of each kind, in milliseconds, for the report. */
  readonly slowestMs: Map<string, number> = new Map<string, number>();

  constructor(world: World) {
    this.world = world;
  }

  /** Something of this kind took so long. */
  took(kind: string, ms: number): void {
    this.slowestMs.set(kind, Math.max(ms, this.slowestMs.get(kind) ?? 0));
  }

  /** Reports a violation. */
  violation(guarantee: string, what: string): void {
    this.world.trace(() => `!! ${guarantee}: ${what}`);
    this.violations.push({ guarantee, what, at: Math.round(this.world.elapsed) });
  }

  /** Demands that something holds. */
  demand(holds: boolean, guarantee: string, what: () => string): void {
    if (!holds) this.violation(guarantee, what());
  }

  /** The handler is called. It adds what it emits. */
  begin(
    { runId, sessionId, send, isParallel }: Pick<Call, 'runId' | 'sessionId' | 'send' | 'isParallel'>,
    process: Process,
    messages: readonly UIMessage[],
  ): Call {
    const call: Call = {
      runId,
      sessionId,
      send,
      isParallel,
      process,
      messages,
      said: [],
      at: this.world.elapsed,
      abortedAt: undefined,
      isOver: false,
    };
    this.world.trace(() => `${process.name} handler of ${runId} (${messages.length} messages)`);
    this.#demandTurn(call);
    const calls = this.calls.get(runId) ?? [];
    this.calls.set(runId, [...calls, call]);
    return call;
  }

  /** One run after the other. A store or a process that fails can lose a lease, and with it the turn, while the handler works. */
  #demandTurn({ runId, sessionId, isParallel }: Call): void {
    if (isParallel || this.isDisturbed || this.lost.has(sessionId)) return;
    for (const [other] of this.calls.values()) {
      if (other!.sessionId !== sessionId || other!.isParallel) continue;
      this.demand(
        other!.isOver || other!.abortedAt !== undefined,
        'one run after the other',
        () => `run ${runId} works while run ${other!.runId} does`,
      );
    }
  }

  /** How many runs each send has. */
  runsOfSends(): Map<string, number> {
    const counts = new Map<string, number>();
    for (const [call] of this.calls.values()) {
      const { send, said, sessionId } = call!;
      // A store without the first run cannot know that the send comes again.
      if (this.lost.has(sessionId)) continue;
      // A send whose handler failed before it said anything can be sent again.
      if (send !== undefined && said.length > 0) counts.set(send, (counts.get(send) ?? 0) + 1);
    }
    return counts;
  }

  /** The calls that answer a send. */
  callsFor(send: string): Call[] {
    return [...this.calls.values()].flat().filter((call) => call.send === send);
  }

  /** The handler of a run has its signal aborted. */
  aborted(runId: string): void {
    this.world.trace(() => `handler of ${runId} is aborted`);
    for (const call of this.calls.get(runId) ?? []) call.abortedAt ??= this.world.elapsed;
  }
}
