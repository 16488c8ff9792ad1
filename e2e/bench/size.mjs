// Measures what `durable-chat/react` adds to an app's bundle: to the first load, and to what is loaded later.
import { resolve } from 'node:path';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';

export async function benchSize() {
  const { outputFiles, metafile } = await build({
    entryPoints: [resolve(import.meta.dirname, '../../dist/react.js')],
    external: ['react', 'react-dom', '@ai-sdk/react', 'ai'],
    bundle: true,
    splitting: true,
    metafile: true,
    minify: true,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    outdir: 'size',
    write: false,
  });
  const outputs = Object.entries(metafile.outputs).map(([path, output]) => ({
    ...output,
    path,
    contents: outputFiles.find((file) => file.path === resolve(path)).contents,
  }));
  const entry = outputs.find(({ entryPoint }) => entryPoint?.endsWith('react.js'));
  // The entry and its static imports.
  const upFront = new Set([entry.path]);
  for (const path of upFront) {
    for (const one of outputs.find((output) => output.path === path).imports) {
      if (one.kind === 'import-statement' && !one.external) upFront.add(one.path);
    }
  }
  const first = sizeOf(outputs.filter(({ path }) => upFront.has(path)));
  const later = sizeOf(outputs.filter(({ path }) => !upFront.has(path)));
  return [
    {
      what: 'durable-chat/react with the page, min+gzip, without peers',
      budget: '≤ 8 KB',
      measured: `${kb(first.gzip)} (min ${kb(first.min)})`,
      ok: first.gzip <= 8 * 1024,
    },
    {
      what: '… and on demand, once the page stands',
      budget: '',
      measured: `${kb(later.gzip)} (min ${kb(later.min)})`,
      ok: true,
    },
  ];
}

function sizeOf(outputs) {
  const sum = (size) => outputs.reduce((total, { contents }) => total + size(contents), 0);
  return {
    min: sum((contents) => contents.length),
    gzip: sum((contents) => gzipSync(contents, { level: 9 }).length),
  };
}

function kb(bytes) {
  return `${(bytes / 1024).toFixed(2)} KB`;
}
