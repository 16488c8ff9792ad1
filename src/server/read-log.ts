// Reading on in a log that may have expired or been deleted meanwhile, and may have begun anew.

import type { Channel } from '../channel/channel.ts';
import type { LogEntry } from '../protocol/frames.ts';
import { isAfter, Log } from './log.ts';

export interface Reading {
  /** The log that the entries are to be added to: the one given, or an empty one in its place. */
  readonly log: Log;
  /** Entries that the log has already may be among them. */
  readonly entries: readonly LogEntry[];
}

/** How long a log has to be missing: a replica that is behind may know nothing of it for a while. */
const goneAfterMs = 2_000;

export class LogReader {
  readonly #channel: Channel;
  readonly #session: string;
  #missingSince: number | undefined;

  constructor(channel: Channel, session: string) {
    this.#channel = channel;
    this.#session = session;
  }

  /** Whether the log was not there when it was last read, which may have been an error. */
  get isMissing(): boolean {
    return this.#missingSince !== undefined;
  }

  async readOn(log: Log): Promise<Reading> {
    const entries = await this.#channel.readLog(this.#session, log.lastId);
    if (log.lastId === '' || entries[0]?.id === log.lastId) return this.#found({ log, entries });
    const all = await this.#channel.readLog(this.#session, '');
    const first = all[0]?.id ?? '';
    // A log that begins as ours does is the same one, on a replica that is behind.
    if (first !== '' && first === log.entries[0]?.id) return this.#found({ log, entries: all });
    if (isAfter(first, log.lastId)) return this.#found({ log: new Log(), entries: all });
    this.#missingSince ??= Date.now();
    if (Date.now() - this.#missingSince < goneAfterMs) return { log, entries: [] };
    return this.#found({ log: new Log(), entries: all });
  }

  #found(reading: Reading): Reading {
    this.#missingSince = undefined;
    return reading;
  }
}
