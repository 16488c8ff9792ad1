// What `durable-chat/react` adds to an app's bundle, beside what the app has anyway.
import { resolve } from 'node:path';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';

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
  const gzip = gzipSync(contents, { level: 9 }).length;
  return [
    {
      what: 'durable-chat/react, min+gzip, without peers',
      budget: '≤ 8 KB',
      measured: `${kb(gzip)} (min ${kb(contents.length)})`,
      ok: gzip <= 8 * 1024,
    },
  ];
}

function kb(bytes) {
  return `${(bytes / 1024).toFixed(2)} KB`;
}
