import { mkdtemp, rm } from 'node:fs/promises';
import { mkdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { openCode } from './program.fixture.ts';
import { staysOf } from './request-path.fixture.ts';

/** The path from `src/a.ts start` to `src/z.ts end` in a repository of these files, as `a: start, local`. */
async function pathIn(files: Record<string, string>): Promise<readonly string[]> {
  const root = await mkdtemp(join(tmpdir(), 'request-path-'));
  onTestFinished(() => rm(root, { recursive: true }));
  const all = {
    'tsconfig.json': JSON.stringify({
      compilerOptions: { strict: true, module: 'nodenext', allowImportingTsExtensions: true, noEmit: true },
      include: ['src'],
    }),
    'package.json': '{ "type": "module" }',
    'src/z.ts': 'export function end(): void {}',
    ...files,
  };
  for (const [name, text] of Object.entries(all)) {
    mkdirSync(dirname(join(root, name)), { recursive: true });
    writeFileSync(join(root, name), text);
  }
  using code = openCode(root);
  const path = { waypoints: ['src/a.ts start', 'src/z.ts end'], folders: ['src/'], implementations: ['src'] };
  return staysOf(code, path).map(({ file, functions }) => `${file.slice(4, -3)}: ${functions.join(', ')}`);
}

const imports = `import { end } from './z.ts'; import { help, more, run } from './b.ts';`;
const helpers = `
  export function help(): boolean { return true; }
  export function more(): void {}
  export function run(then: () => void): void { then(); }`;

test('a return to a file is a visit where another of its functions is called; a function is read once', async () => {
  const path = await pathIn({
    'src/a.ts': `${imports}
      export function start(): void { first(); help(); more(); second(); help(); end(); }
      function first(): void {}
      function second(): void {}`,
    'src/b.ts': helpers,
  });
  expect(path).toEqual(['a: start, first', 'b: help, more', 'a: second', 'z: end']);
});

test('what runs on a condition or after a failure is followed only where it leads on', async () => {
  const path = await pathIn({
    'src/a.ts': `${imports}
      export function start(): void {
        if (Math.random() > 1) more();
        try { Math.random() > 1 || help(); } catch { more(); }
        void Promise.resolve().catch(() => more());
        void Promise.resolve().catch(more);
        switch (Math.random()) {
          case 1: more(); break;
          default: second();
        }
        if (Math.random() > 1) throw new Error(String(more()));
        else third();
      }
      function second(): void { if (Math.random() > 1) end(); }
      function third(): void { end(); }`,
    'src/b.ts': helpers,
  });
  expect(path).toEqual(['a: start, second', 'z: end']);
});

test('an inline function is read where it is written, and a named one where it is called', async () => {
  const path = await pathIn({
    'src/a.ts': `${imports}
      export function start(): void { run(() => more()); run(last); }
      const last = (): void => end();`,
    'src/b.ts': helpers,
  });
  expect(path).toEqual(['a: start', 'b: more, run', 'a: last', 'z: end']);
});

test('a member of an interface is followed to its one implementation; with two it is a port', async () => {
  const path = await pathIn({
    'src/a.ts': `import { makeDoor } from './b.ts'; import type { Store } from './c.ts'; import { end } from './z.ts';
      export function start(store: Store): void { store.read(); makeDoor().open(); end(); }`,
    'src/b.ts': `export interface Door { open(): void }
      export function makeDoor(): Door { return { open() {} }; }`,
    'src/c.ts': `export interface Store { read(): void }
      export const one: Store = { read() {} };
      export class Two implements Store { read(): void {} }`,
  });
  expect(path).toEqual(['a: start', 'b: makeDoor, open', 'z: end']);
});

test('a path that does not reach its end is an error', async () => {
  await expect(pathIn({ 'src/a.ts': 'export function start(): void {}' })).rejects.toThrow('does not reach');
});
