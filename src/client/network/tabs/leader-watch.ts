// Whether the tab that leads still lives, as far as this one can know: a pure function of what was heard and when. A tab that is
// frozen, or stands in a debugger, keeps its lock and says nothing.

export interface LeaderWatch {
  /** When something was last heard of the leader. */
  readonly heardAt: number;
  /** When it was asked whether it lives, if it has not answered since. */
  readonly askedAt?: number;
}

/** How long a leader may be silent before it is asked, while somebody waits for an answer and while nobody does. */
const busySilenceMs = 3_000;
const idleSilenceMs = 15_000;
/** A message handler is not throttled in the background, as timers are. */
const answerWithinMs = 1_500;

/** How often to look, in milliseconds: what is frozen is missed within 6 s while somebody waits. */
export const lookEachMs = 500;

export function lookAtLeader(
  { heardAt, askedAt }: LeaderWatch,
  now: number,
  isBusy: boolean,
): 'wait' | 'ask' | 'lost' {
  if (askedAt !== undefined) return now - askedAt >= answerWithinMs ? 'lost' : 'wait';
  return now - heardAt >= (isBusy ? busySilenceMs : idleSilenceMs) ? 'ask' : 'wait';
}
