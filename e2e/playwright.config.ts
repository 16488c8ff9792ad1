import { defineConfig, type PlaywrightTestConfig } from '@playwright/test';

const executablePath = process.env['CHROMIUM_PATH'];

const config: PlaywrightTestConfig = defineConfig({
  testDir: '.',
  testMatch: '*.spec.ts',
  outputDir: '.results/artifacts',
  workers: 2,
  // A test that passes only now and then has found something.
  retries: 0,
  forbidOnly: Boolean(process.env['CI']),
  timeout: 120_000,
  expect: { timeout: 20_000 },
  reporter: [['list'], ['json', { outputFile: '.results/playwright.json' }]],
  use: {
    browserName: 'chromium',
    trace: { mode: 'retain-on-failure', screenshots: false },
    launchOptions: {
      ...(executablePath && { executablePath }),
      args: [
        '--disable-background-networking',
        '--disable-component-update',
        '--disable-sync',
        '--disable-quic',
        // Chromium refuses to sandbox for root.
        ...(process.getuid?.() === 0 ? ['--no-sandbox'] : []),
      ],
    },
  },
});

export default config;
