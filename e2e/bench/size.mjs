// Measures what `durable-chat/react` adds to an app's bundle.
import { resolve } from 'node:path';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';

const budget = 12.5;

export async function benchSize() {
  const { outputFiles } = await build({
    entryPoints: [resolve(import.meta.dirname, '../../dist/react.js')],
    external: ['react', 'react-dom', '@ai-sdk/react', 'ai'],
    bundle: true,
    minify: true,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    write: false,
  });
  const [{ contents }] = outputFiles;
  const kb = (bytes) => bytes / 1024;
  const size = kb(gzipSync(contents, { level: 9 }).length);
  return [
    {
      what: 'durable-chat/react, min+gzip, without peers',
      budget: `≤ ${budget} KB`,
      measured: `${size.toFixed(2)} KB (min ${kb(contents.length).toFixed(2)})`,
      ok: size <= budget,
    },
  ];
}
