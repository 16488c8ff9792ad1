// Whether the leading page is alive, as a pure function of its notes and their times. A page that is
// frozen, or stopped in a debugger, keeps its lock and is silent.

/** When the leader was heard and asked, in milliseconds on one clock. */
export interface LeaderWatch {
  /** The time of the leader's last note. */
  readonly heardAt: number;
  /** The time of a question to the leader that has no reply yet. */
  readonly askedAt?: number;
}

/** How long a leader may be silent before a question, in milliseconds. */
const silenceMs = 4_000;
/** The time for its reply. Browsers throttle the timers of hidden pages, but not their message handlers. */
const replyWithinMs = 1_500;

/** The interval of the checks, in milliseconds: a silent leader is detected within 6.5 s. */
export const lookEachMs = 500;

/** What a follower does about its leader now. `ask`: send it a question. `lost`: take over its lock. */
export function lookAtLeader({ heardAt, askedAt }: LeaderWatch, now: number): 'wait' | 'ask' | 'lost' {
  if (askedAt !== undefined) return now - askedAt >= replyWithinMs ? 'lost' : 'wait';
  return now - heardAt >= silenceMs ? 'ask' : 'wait';
}
