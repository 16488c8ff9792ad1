import { defineConfig, type ViteUserConfig } from 'vitest/config';

const config: ViteUserConfig = defineConfig({
  test: {
    root: new URL('..', import.meta.url).pathname,
    include: ['src/**/*.test.{ts,tsx}'],
    // The Redis client reports every subscription that a test server cuts by closing.
    onConsoleLog: (log) => !log.startsWith('Stream reading error'),
    reporters: ['default', ['json', { outputFile: 'e2e/.results/vitest.json' }]],
    // Tests mostly wait for stores and timers, so several run at once on any machine.
    maxConcurrency: 14,
    maxWorkers: 3,
    // On a busy machine a condition can take long to become true.
    expect: { poll: { timeout: 10_000 } },
    testTimeout: 60_000,
    hookTimeout: 30_000,
  },
});

export default config;
