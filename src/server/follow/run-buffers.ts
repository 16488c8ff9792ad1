// The chunks of a session's runs that this process has.

import type { UIMessageChunk } from 'ai';
import type { RunTail } from '../../channel/channel.ts';
import type { Cancel, Runtime } from '../../lib/runtime.ts';

/** How long an ended run is kept for current viewers. Later viewers read the store. */
const keptMs = 30_000;

/** The chunks by run id. Those of an ended run are kept for a moment, for viewers that lack its last ones. */
export class RunBuffers {
  readonly #buffers = new Map<string, UIMessageChunk[]>();
  readonly #releases = new Set<Cancel>();
  readonly #runtime: Runtime;

  constructor(runtime: Runtime) {
    this.#runtime = runtime;
  }

  has(runId: string): boolean {
    return this.#buffers.has(runId);
  }

  chunksOf(runId: string): readonly UIMessageChunk[] {
    return this.#buffers.get(runId) ?? [];
  }

  countOf(runId: string): number {
    return this.chunksOf(runId).length;
  }

  /** Appends chunks that were read from the store. */
  append(runId: string, { chunks }: RunTail): void {
    this.#of(runId).push(...chunks);
  }

  /** Appends the chunks of a wake-up. `gap`: chunks before them are missing. */
  accept(runId: string, from: number, chunks: readonly UIMessageChunk[]): 'taken' | 'known' | 'gap' {
    const buffer = this.#of(runId);
    const known = buffer.length;
    if (from + chunks.length <= known) return 'known';
    if (from > known) return 'gap';
    buffer.push(...chunks.slice(known - from));
    return 'taken';
  }

  /** Removes an ended run after a while. */
  release(runId: string): void {
    if (!this.has(runId)) return;
    const forget = () => {
      this.#buffers.delete(runId);
      this.#releases.delete(cancel);
    };
    const cancel = this.#runtime.schedule(forget, keptMs, { background: true });
    this.#releases.add(cancel);
  }

  clear(): void {
    for (const cancel of this.#releases) cancel();
    this.#releases.clear();
    this.#buffers.clear();
  }

  #of(runId: string): UIMessageChunk[] {
    let buffer = this.#buffers.get(runId);
    if (!buffer) this.#buffers.set(runId, (buffer = []));
    return buffer;
  }
}
