// The answer to a stop.

/** What a stop has done. */
export interface StopReceipt {
  /** Runs that the stop has ended, and when (milliseconds since the epoch). */
  readonly stopped: readonly { readonly run: string; readonly at: number }[];
  /** Runs that had ended by themselves. */
  readonly alreadyEnded: readonly string[];
  /** Runs that were told, and whose end was not seen within 5 s. */
  readonly pending: readonly string[];
}
