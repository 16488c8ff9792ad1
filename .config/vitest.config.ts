import { defineConfig, type ViteUserConfig } from 'vitest/config';

const config: ViteUserConfig = defineConfig({
  test: {
    root: new URL('..', import.meta.url).pathname,
    include: ['src/**/*.test.{ts,tsx}'],
    // The Redis client reports every subscription that a test server cuts by closing.
    onConsoleLog: (log) => !log.startsWith('Stream reading error'),
    reporters: ['default', ['json', { outputFile: 'e2e/.results/vitest.json' }]],
    // Tests wait for stores and timers more than they work: several at once, whatever the machine has.
    maxConcurrency: 14,
    maxWorkers: 3,
    // A condition that holds late on a busy machine holds.
    expect: { poll: { timeout: 10_000 } },
    testTimeout: 30_000,
    hookTimeout: 30_000,
  },
});

export default config;
