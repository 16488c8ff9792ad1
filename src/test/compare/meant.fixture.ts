// The intended differences, each with its reason. A difference that is not listed fails, and so does one that no longer
// occurs.

import { isAi7 } from '../fixtures/hooks.fixture.tsx';
import type { Trace } from './record.fixture.tsx';

export interface Meant {
  readonly why: string;
  /** The scenarios with the difference. By default it may occur in any, and must occur in one. */
  readonly in?: readonly string[];
  /** Only on this version of the AI SDK. */
  readonly on?: 6 | 7;
  /** It depends on the order of two events. */
  readonly sometimes?: true;
  /** `+ renders …` for an additional line, `- calls …` for a missing one. `*` matches any text. */
  readonly lines: readonly string[];
}

type Differences = Partial<Record<keyof Trace, string[]>>;

/** A list that is compared with the found differences, scenario by scenario. */
export interface List {
  /** The differences that are not listed, and the listed ones that did not occur. Both must be empty. */
  check(scenario: string, found: Differences): { readonly unlisted: string[]; readonly gone: string[] };
  /** The reasons of the differences that are listed for any scenario, and occurred in none. */
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

/** `- …` for a line of the first only, `+ …` for a line of the second only, in their order. */
export function differences(one: Trace, other: Trace): Differences {
  const all = {
    renders: difference(one.renders, other.renders),
    calls: difference(one.calls, other.calls),
    requests: difference(one.requests, other.requests),
    identities: difference(one.identities, other.identities),
  };
  return Object.fromEntries(Object.entries(all).filter(([, lines]) => lines.length > 0));
}

/** Uses the longest common subsequence. */
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
