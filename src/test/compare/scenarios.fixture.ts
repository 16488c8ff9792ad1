// The scenarios, which run with useChat and with useDurableChat, on a plain route and on a durable one.

import { failures, stops } from './failures.fixture.ts';
import { contents, life, requestOptions, resumes } from './others.fixture.ts';
import type { Played } from './played.fixture.ts';
import { sends } from './sends.fixture.ts';
import { tools } from './tools.fixture.ts';

export const scenarios: [name: string, scenario: Played][] = Object.entries({
  ...sends,
  ...failures,
  ...stops,
  ...tools,
  ...contents,
  ...resumes,
  ...requestOptions,
  ...life,
});
