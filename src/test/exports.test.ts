// The package's surface, frozen: a name that comes or goes shows here first.

import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';

const entries = {
  '.': () => import('../index.ts'),
  './next': () => import('../next.ts'),
  './upstash': () => import('../upstash.ts'),
  './client': () => import('../client.ts'),
  './react': () => import('../react.ts'),
  './testing': () => import('../testing.ts'),
};

it('the export map has these entries', async () => {
  const manifest = JSON.parse(await readFile(new URL('../../package.json', import.meta.url), 'utf8')) as {
    exports: Record<string, string>;
  };
  expect(manifest.exports).toEqual({
    '.': './dist/index.js',
    './next': './dist/next.js',
    './upstash': './dist/upstash.js',
    './client': './dist/client.js',
    './react': './dist/react.js',
    './testing': './dist/testing.js',
    './package.json': './package.json',
  });
});

it('each entry exports these values', async () => {
  const names: Record<string, string[]> = {};
  for (const [entry, load] of Object.entries(entries)) names[entry] = Object.keys(await load()).sort();
  expect(names).toEqual({
    '.': ['DurableChatError', 'createDurableChat', 'isDurableRequest', 'memoryChannel'],
    './next': ['durableRoute', 'isDurableRequest'],
    './upstash': ['upstashChannel'],
    './client': ['DurableChatError', 'DurableChatTransport', 'DurableSession', 'bindChat', 'syncChat'],
    './react': ['useDurableChat'],
    './testing': ['createChaos', 'dropAt', 'scriptedModel', 'startUpstashServer'],
  });
});
