// Trying again, with growing pauses and full jitter; it knows nothing of what it tries.

export interface RetryOptions {
  /** How often at most. Default 6. */
  readonly attempts?: number;
  /** The longest first pause, in milliseconds; it doubles each time, up to 5 s. Default 100. */
  readonly pauseMs?: number;
}

/** For what must not be lost: some minutes of trying. */
export const patiently: RetryOptions = { attempts: 60 };

/** The result of the first attempt that succeeds; the last attempt's error when none does. */
export async function retry<T>(attempt: () => Promise<T>, options: RetryOptions = {}): Promise<T> {
  const { attempts = 6, pauseMs = 100 } = options;
  for (let tried = 1; ; tried++) {
    try {
      return await attempt();
    } catch (error) {
      if (tried >= attempts) throw error;
      const ceiling = Math.min(5_000, pauseMs * 2 ** (tried - 1));
      await new Promise((resolve) => setTimeout(resolve, Math.random() * ceiling));
    }
  }
}
