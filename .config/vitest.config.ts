import { defineConfig, type ViteUserConfig } from 'vitest/config';

const config: ViteUserConfig = defineConfig({
  test: {
    root: new URL('..', import.meta.url).pathname,
    include: ['src/**/*.test.{ts,tsx}'],
    // The Redis client reports every subscription that a test server cuts by closing.
    onConsoleLog: (log) => !log.startsWith('Stream reading error'),
    reporters: ['default', ['json', { outputFile: 'e2e/.results/vitest.json' }]],
    // Concurrent tests wait for a store more than they work.
    maxConcurrency: 14,
    testTimeout: 30_000,
    hookTimeout: 30_000,
  },
});

export default config;
