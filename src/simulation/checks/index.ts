import type { Check } from './check.ts';
import { nothingIsLeft } from './nothing-is-left.ts';
import { settles } from './settles.ts';

/** In this order: a check can rely on what those before it waited for. */
export const checks: readonly Check[] = [settles, nothingIsLeft];
