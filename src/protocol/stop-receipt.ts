// The answer to a stop.

/** What a stop has done. */
export interface StopReceipt {
  /** Runs that the stop has ended, and when (milliseconds since the epoch). */
  readonly stopped: readonly { readonly runId: string; readonly at: number }[];
  /**
   * Runs that ended for another reason than a stop while the stop was on its way; with `run`, also the run that had
   * ended before, for whatever reason, an earlier stop included.
   */
  readonly alreadyEnded: readonly string[];
  /** Runs whose stop is recorded, and whose end was not seen within 5 s. They still stop. */
  readonly pending: readonly string[];
}
