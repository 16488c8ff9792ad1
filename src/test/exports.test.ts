// The package's public surface: this test fails if a name is added or removed.

import { execFile } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { builtinModules } from 'node:module';
import { promisify } from 'node:util';
import { generateText } from 'ai';
import { expect, it } from 'vitest';
import type { DurableRoute, SessionHandle } from '../next.ts';
import { scriptedModel, type Script, type ScriptInput, type ScriptItem } from '../testing.ts';

const root = new URL('../..', import.meta.url).pathname;

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

it('a script can be typed with what the testing entry exports', async () => {
  const script: Script = function* ({ text }: ScriptInput): Generator<ScriptItem> {
    yield `You said: ${text}`;
  };
  const model = scriptedModel({ script, chunksPerSecond: Infinity });
  expect((await generateText({ model, prompt: 'hello' })).text).toBe('You said: hello');
});

it('the next entry names the type of its sessions', () => {
  const typed = (route: DurableRoute): SessionHandle => route.session('chat');
  expect(typed).toBeTypeOf('function');
});

it('each relative link of a packed page leads to a packed file', async () => {
  const { stdout } = await promisify(execFile)('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
    cwd: root,
  });
  const [{ files }] = JSON.parse(stdout) as [{ files: { path: string }[] }];
  const packed = files.map(({ path }) => path);
  const links: string[] = [];
  for (const page of packed.filter((path) => path.endsWith('.md'))) {
    const text = await readFile(new URL(page, `file://${root}`), 'utf8');
    for (const [, link = ''] of text.matchAll(/\]\(([^)#]+)/g)) {
      const { protocol, pathname } = new URL(link, `package:/${page}`);
      if (protocol === 'package:') links.push(pathname.slice(1));
    }
  }
  expect(links).toContain('src/protocol/README.md');
  for (const link of links) expect(packed).toContain(link);
});

it('the packed files import only packages that package.json names, types included', async () => {
  const manifest = JSON.parse(await readFile(`${root}package.json`, 'utf8')) as {
    dependencies?: object;
    peerDependencies: object;
  };
  const named = { ...manifest.dependencies, ...manifest.peerDependencies };
  const imported = new Set<string>();
  for (const path of await readdir(`${root}src`, { recursive: true })) {
    if (!/\.tsx?$/.test(path) || /\.(test|fixture)\.tsx?$/.test(path)) continue;
    const source = await readFile(`${root}src/${path}`, 'utf8');
    for (const [, name = ''] of source.matchAll(/(?:\bfrom |\bimport\()'((?:@[\w-]+\/)?[\w:-]+)/g)) {
      imported.add(name);
    }
  }
  expect([...imported]).toEqual(expect.arrayContaining(['ai', 'zod', 'react', 'node:net']));
  const unnamed = [...imported].filter(
    (name) => !(name in named) && !builtinModules.includes(name.replace(/^node:/, '')),
  );
  expect(unnamed).toEqual([]);
});
