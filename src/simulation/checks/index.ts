import type { Check } from './check.ts';
import { exactDelivery } from './exact-delivery.ts';
import { neverBlocked } from './never-blocked.ts';
import { nothingIsLeft } from './nothing-is-left.ts';
import { refusals } from './refusals.ts';
import { settles } from './settles.ts';
import { stopIsDurable } from './stop-is-durable.ts';

/** In this order: a check can rely on what those before it waited for. */
export const checks: readonly Check[] = [
  ...[settles, refusals, exactDelivery, stopIsDurable],
  ...[neverBlocked, nothingIsLeft],
];
