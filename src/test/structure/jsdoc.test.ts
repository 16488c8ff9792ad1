// What the sources say about themselves.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { sourcesIn } from './program.fixture.ts';

const root = new URL('../../..', import.meta.url).pathname;
const declaration = /^export (?:async )?(?:function\*?|class|interface|type|const) (\w+)/;

test('each exported declaration of the package has JSDoc', () => {
  const published = sourcesIn(root, 'src').filter((file) => !file.startsWith('src/simulation/'));
  const undocumented = published.flatMap((file) => {
    const lines = readFileSync(join(root, file), 'utf8').split('\n');
    return lines.flatMap((line, index) => {
      const [, name] = declaration.exec(line) ?? [];
      return name && !lines[index - 1]?.endsWith('*/') ? [`${file}: ${name}`] : [];
    });
  });
  expect(undocumented).toEqual([]);
});
