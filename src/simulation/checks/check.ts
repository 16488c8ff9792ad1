import type { Stage } from '../stage.ts';

/** A check at the end of a schedule, when its faults have healed. It can let time pass, for at most `ms`. */
export type Check = (stage: Stage, ms: number) => void | Promise<void>;
