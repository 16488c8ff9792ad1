// Whether the page that leads still lives, as far as another can know: a pure function of what was heard and when. A page that is
// frozen, or stopped in a debugger, keeps its lock and says nothing.

export interface LeaderWatch {
  /** When something was last heard of the leader. */
  readonly heardAt: number;
  /** When it was asked whether it lives, if it has not answered since. */
  readonly askedAt?: number;
}

/** How long a leader may be silent before it is asked, in milliseconds. */
const silenceMs = 4_000;
/** How long it has to answer. The browser throttles timers of hidden pages, but not their message handlers. */
const answerWithinMs = 1_500;

/** How often to look, in milliseconds: one that falls silent is missed within 6.5 s. */
export const lookEachMs = 500;

export function lookAtLeader({ heardAt, askedAt }: LeaderWatch, now: number): 'wait' | 'ask' | 'lost' {
  if (askedAt !== undefined) return now - askedAt >= answerWithinMs ? 'lost' : 'wait';
  return now - heardAt >= silenceMs ? 'ask' : 'wait';
}
