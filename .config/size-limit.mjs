// How many bytes an entry adds to a browser bundle: minified and gzipped, without peer dependencies.

const modifyEsbuildConfig = (config) => ({ ...config, format: 'esm' });
const entry = (name, limit) => ({
  name: `durable-chat/${name}`,
  path: `../dist/${name}.js`,
  limit,
  gzip: true,
  modifyEsbuildConfig,
});

export default [entry('react', '24.5 kB'), entry('client', '24.1 kB')];
