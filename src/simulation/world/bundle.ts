// The code of a kind of process, as one function of its globals. Each process evaluates it, so that none shares the state
// of a module with another one.

import { readFileSync } from 'node:fs';
import * as upstash from '@upstash/redis';
import * as ai from 'ai';
import { compileFunction } from 'node:vm';
import * as zod from 'zod/v4';

/** What processes share: packages without a state of their own. */
const packages: Readonly<Record<string, unknown>> = { ai, 'zod/v4': zod, '@upstash/redis': upstash };

/** The names that each process has for itself. Those that it is not given are undefined. */
const names = [
  ...['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'Date', 'performance', 'crypto'],
  ...[
    'window',
    'document',
    'navigator',
    'location',
    'sessionStorage',
    'BroadcastChannel',
    'process',
    'fetch',
    'Request',
    'Response',
  ],
];

/** Evaluates the code with these globals, and returns its exports. */
export type Bundle<Exports> = (globals: object) => Exports;

/** Loads the code that esbuild has written to `path`. */
export function loadBundle<Exports>(path: string): Bundle<Exports> {
  // esbuild copies the names of a package in each evaluation, which takes as long as the rest.
  const code = readFileSync(path, 'utf8').replaceAll(/__toESM\((require\("[^"]+"\))\)/g, '$1');
  const run = compileFunction(code, ['module', 'exports', 'require', ...names], { filename: path });
  const find = (name: string) => {
    if (name in packages) return packages[name];
    throw new Error(`A simulated process has no package ${name}.`);
  };
  return (globals) => {
    const module = { exports: {} };
    const values = names.map((name) => (globals as Record<string, unknown>)[name]);
    run(module, module.exports, find, ...values);
    return module.exports as Exports;
  };
}
