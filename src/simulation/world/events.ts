// A queue of events in the order of their times. Events of one moment keep the order in which they were added.

interface Event {
  readonly at: number;
  readonly sequence: number;
  readonly run: () => void;
  isCancelled: boolean;
}

/** The queue. */
export class Events {
  /** A binary heap. */
  readonly #heap: Event[] = [];
  #sequence = 0;

  /** Returns a function that removes the event. */
  add(at: number, run: () => void): () => void {
    const event: Event = { at, sequence: this.#sequence++, run, isCancelled: false };
    const heap = this.#heap;
    let index = heap.push(event) - 1;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (!isBefore(event, heap[parent]!)) break;
      heap[index] = heap[parent]!;
      index = parent;
    }
    heap[index] = event;
    return () => void (event.isCancelled = true);
  }

  /** Removes and returns the first event up to the time `end`. */
  take(end: number): Event | undefined {
    for (;;) {
      const first = this.#heap[0];
      if (!first || first.at > end) return undefined;
      this.#remove();
      if (!first.isCancelled) return first;
    }
  }

  #remove(): void {
    const heap = this.#heap;
    const last = heap.pop()!;
    if (heap.length === 0) return;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++;
      if (!isBefore(heap[child]!, last)) break;
      heap[index] = heap[child]!;
      index = child;
    }
    heap[index] = last;
  }
}

function isBefore(a: Event, b: Event): boolean {
  return a.at < b.at || (a.at === b.at && a.sequence < b.sequence);
}
