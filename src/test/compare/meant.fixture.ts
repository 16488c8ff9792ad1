// Differences that are meant, each with its reason. One that is not listed is found, and so is one that has gone.

import { isAi7 } from '../fixtures/hooks.fixture.tsx';
import type { Trace } from './record.fixture.tsx';

export interface Meant {
  readonly why: string;
  /** The scenarios that have it. By default it may be in any, and is in one at least. */
  readonly in?: readonly string[];
  /** Only on this version of the AI SDK. */
  readonly on?: 6 | 7;
  /** It depends on which of two things comes first. */
  readonly sometimes?: true;
  /** `+ renders …` for what is more, `- calls …` for what is missing; `*` stands for anything. */
  readonly lines: readonly string[];
}

type Differences = Partial<Record<keyof Trace, string[]>>;

/** A list to be compared with what is found, scenario by scenario. */
export interface List {
  /** What differs and is not listed, and what is listed for this scenario and does not differ: both are empty. */
  check(scenario: string, found: Differences): { readonly unlisted: string[]; readonly gone: string[] };
  /** The reasons of what was listed for no scenario by name, and was in none. */
  unseen(): string[];
}

export function createList(all: readonly Meant[]): List {
  const listed = all.filter(({ on }) => on === undefined || on === (isAi7 ? 7 : 6));
  const seen = new Set<Meant>();
  return {
    check(scenario, found) {
      const lines = Object.entries(found).flatMap(([kind, some]) =>
        some.map((line) => `${line.slice(0, 1)} ${kind} ${line.slice(2)}`),
      );
      const meant = listed.filter((one) => one.in?.includes(scenario) ?? true);
      for (const one of meant) if (one.lines.some((pattern) => lines.some(matcher(pattern)))) seen.add(one);
      const isMeant = (line: string) =>
        meant.some((one) => one.lines.some((pattern) => matcher(pattern)(line)));
      const due = meant.filter((one) => one.in && !one.sometimes).flatMap((one) => one.lines);
      return {
        unlisted: lines.filter((line) => !isMeant(line)),
        gone: due.filter((pattern) => !lines.some(matcher(pattern))),
      };
    },
    unseen: () => listed.filter((one) => !one.in && !seen.has(one)).map(({ why }) => why),
  };
}

function matcher(pattern: string): (line: string) => boolean {
  const parts = pattern.split('*').map((part) => part.replace(/[\\^$.|?+()[\]{}]/g, '\\$&'));
  const expression = new RegExp(`^${parts.join('.*')}$`, 's');
  return (line) => expression.test(line);
}

/** `- …` for what only the first has, `+ …` for what only the second has, in the order of the two. */
export function differences(one: Trace, other: Trace): Differences {
  const all = {
    renders: difference(one.renders, other.renders),
    calls: difference(one.calls, other.calls),
    requests: difference(one.requests, other.requests),
    identities: difference(one.identities, other.identities),
  };
  return Object.fromEntries(Object.entries(all).filter(([, lines]) => lines.length > 0));
}

/** By the longest common subsequence. */
function difference(a: readonly string[], b: readonly string[]): string[] {
  const longest = Array.from({ length: a.length + 1 }, () => Array<number>(b.length + 1).fill(0));
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) {
      longest[i]![j] =
        a[i] === b[j] ? longest[i + 1]![j + 1]! + 1 : Math.max(longest[i + 1]![j]!, longest[i]![j + 1]!);
    }
  }
  const lines: string[] = [];
  for (let i = 0, j = 0; i < a.length || j < b.length;) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      i++;
      j++;
    } else if (j === b.length || (i < a.length && longest[i + 1]![j]! >= longest[i]![j + 1]!))
      lines.push(`- ${a[i++]!}`);
    else lines.push(`+ ${b[j++]!}`);
  }
  return lines;
}
