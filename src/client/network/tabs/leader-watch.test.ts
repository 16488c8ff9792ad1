import { expect, it } from 'vitest';
import { lookAtLeader, lookEachMs, type LeaderWatch } from './leader-watch.ts';

it.each<[string, LeaderWatch, number, ReturnType<typeof lookAtLeader>]>([
  ['one that was heard', { heardAt: 0 }, 3_999, 'wait'],
  ['one that has been silent', { heardAt: 0 }, 4_000, 'ask'],
  ['one that was asked', { heardAt: 0, askedAt: 4_000 }, 5_499, 'wait'],
  ['one that does not reply', { heardAt: 0, askedAt: 4_000 }, 5_500, 'lost'],
])('%s', (_, watch, now, expected) => {
  expect(lookAtLeader(watch, now)).toBe(expected);
});

it('a leader that falls silent at any time is noticed within 6.5 s', () => {
  for (let silentFrom = 0; silentFrom < lookEachMs; silentFrom += 7) {
    let watch: LeaderWatch = { heardAt: silentFrom };
    for (let now = 0; ; now += lookEachMs) {
      const found = lookAtLeader(watch, now);
      if (found === 'ask') watch = { ...watch, askedAt: now };
      if (found !== 'lost') continue;
      expect(now - silentFrom).toBeLessThanOrEqual(6_500);
      break;
    }
  }
});
