// The samples of the README compile against the package's entries.

import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

const root = new URL('../..', import.meta.url).pathname;
const run = promisify(execFile);

/** The types that the samples use from a package that is not installed. */
const ratelimit = `
declare module '@upstash/ratelimit' {
  export class Ratelimit {
    constructor(config: { redis: import('@upstash/redis').Redis; limiter: Limiter });
    static slidingWindow(tokens: number, window: \`\${number} \${'ms' | 's' | 'm' | 'h' | 'd'}\`): Limiter;
    limit(identifier: string): Promise<{ success: boolean; limit: number; remaining: number; reset: number }>;
  }
  interface Limiter { readonly ratelimit: unique symbol }
}`;

it('every TypeScript sample of the README compiles', async () => {
  const readme = await readFile(join(root, 'README.md'), 'utf8');
  const samples = [...readme.matchAll(/^```(tsx?)\n(.*?)^```/gms)];
  expect(samples.length).toBeGreaterThanOrEqual(5);
  await mkdir(join(root, 'node_modules/.cache'), { recursive: true });
  const folder = await mkdtemp(join(root, 'node_modules/.cache/readme-'));
  try {
    for (const [index, [, extension = 'ts', code = '']] of samples.entries()) {
      await writeFile(join(folder, `sample-${index}.${extension}`), code);
    }
    await writeFile(join(folder, 'ratelimit.d.ts'), ratelimit);
    const entries = ['next', 'upstash', 'client', 'react', 'testing'];
    const paths = Object.fromEntries(
      entries.map((entry) => [`durable-chat/${entry}`, [join(root, `src/${entry}.ts`)]]),
    );
    const config = {
      extends: join(root, 'tsconfig.json'),
      compilerOptions: {
        paths: { 'durable-chat': [join(root, 'src/index.ts')], ...paths },
        module: 'esnext',
        moduleResolution: 'bundler',
        isolatedDeclarations: false,
        declaration: false,
        allowImportingTsExtensions: true,
        noEmit: true,
        typeRoots: [join(root, 'node_modules/@types')],
      },
      include: ['*.ts', '*.tsx'],
    };
    await writeFile(join(folder, 'tsconfig.json'), JSON.stringify(config));
    const result = await run(join(root, 'node_modules/.bin/tsc'), ['-p', folder]).catch(
      (error: { stdout: string }) => error,
    );
    expect(result.stdout).toBe('');
  } finally {
    await rm(folder, { recursive: true });
  }
}, 60_000);
