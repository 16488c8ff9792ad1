// The client on the oldest AI SDK it supports: `ai` 6 with `@ai-sdk/react` 3.
import { defineConfig, mergeConfig, type ViteUserConfig } from 'vitest/config';
import base from './vitest.config.ts';

const { test, ...rest } = base;
const config: ViteUserConfig = mergeConfig(
  { ...rest, test: { ...test, include: [], reporters: [] } },
  defineConfig({
    resolve: {
      alias: [
        { find: /^ai$/, replacement: 'ai6' },
        { find: /^@ai-sdk\/react$/, replacement: 'ai-sdk-react3' },
      ],
    },
    test: {
      name: 'ai 6',
      include: [
        'src/{client,react,test/{chat,sends,network}}/**/*.test.{ts,tsx}',
        'src/test/guarantees/g{3,4}-*',
      ],
      reporters: ['default'],
    },
  }),
);

export default config;
