// The tests' fixtures: one demo per worker, one chat per test. An unexpected error of a page or a server fails the test.
import { randomBytes } from 'node:crypto';
import {
  expect,
  test as base,
  type BrowserContext,
  type Page,
  type PlaywrightTestArgs,
  type PlaywrightTestOptions,
  type PlaywrightWorkerArgs,
  type PlaywrightWorkerOptions,
  type TestType,
} from '@playwright/test';
import { startDemo, type Demo } from './demo.ts';
import { Tab } from './tab.ts';

interface TestFixtures {
  /** Opens this test's chat on a new device, or in another tab of the device of `beside`. */
  readonly openTab: (options?: TabOptions) => Promise<Tab>;
  /** Opens this number of new chats on one page, on its own device. */
  readonly openChatsOnOnePage: (count: number) => Promise<Tab[]>;
  /** Resolves once this test's chat has no active run. */
  readonly untilIdle: () => Promise<void>;
  /** Declares the errors that this test causes. Every other error fails the test. */
  readonly expectProblems: (...patterns: readonly RegExp[]) => void;
  /** Releases one wait of the demo: a `hold at 10` in a message, or a call of its weather tool. */
  readonly release: () => void;
  readonly chatId: string;
  readonly problems: Problems;
}

interface TabOptions {
  readonly beside?: Tab;
  /** A chat other than the test's. */
  readonly chatId?: string;
  /** Runs in the page before its own scripts. */
  readonly initScript?: () => void;
}

interface WorkerFixtures {
  readonly demo: Demo;
}

interface Problems {
  readonly seen: string[];
  readonly expected: RegExp[];
}

export const test: TestType<
  PlaywrightTestArgs & PlaywrightTestOptions & TestFixtures,
  PlaywrightWorkerArgs & PlaywrightWorkerOptions & WorkerFixtures
> = base.extend<TestFixtures, WorkerFixtures>({
  demo: [
    // Playwright reads what a fixture needs from its first parameter's pattern.
    // oxlint-disable-next-line no-empty-pattern
    async ({}, use) => {
      const demo = await startDemo();
      await use(demo);
      await demo.close();
    },
    { scope: 'worker', timeout: 60_000 },
  ],

  // oxlint-disable-next-line no-empty-pattern
  chatId: async ({}, use) => {
    await use(newChatId());
  },

  problems: async ({ demo }, use) => {
    const problems: Problems = { seen: [], expected: [] };
    const before = demo.errors.length;
    await use(problems);
    const seen = [...problems.seen, ...demo.errors.slice(before).map((line) => `server: ${line}`)];
    const unexpected = seen.filter((problem) => !problems.expected.some((one) => one.test(problem)));
    expect(unexpected, 'errors of pages and servers').toEqual([]);
  },

  expectProblems: async ({ problems }, use) => {
    await use((...patterns) => void problems.expected.push(...patterns));
  },

  release: [
    async ({ demo }, use) => {
      demo.gate.shut();
      await use(demo.gate.release);
      demo.gate.open();
    },
    { auto: true },
  ],

  untilIdle: async ({ demo, chatId }, use) => {
    await use(() => expect.poll(() => activeRuns(`${demo.url}/api/chat?id=${chatId}`)).toBe(0));
  },

  openTab: async ({ browser, demo, chatId, problems }, use) => {
    const contexts: BrowserContext[] = [];
    await use(async ({ beside, chatId: other = chatId, initScript } = {}) => {
      const context = beside?.page.context() ?? (await browser.newContext());
      if (!beside) contexts.push(context);
      const page = await context.newPage();
      watch(page, problems.seen);
      if (initScript) await page.addInitScript(initScript);
      const tab = new Tab(page, `${demo.url}/chat/${other}`);
      await tab.open();
      return tab;
    });
    for (const context of contexts) await context.close();
  },

  openChatsOnOnePage: async ({ browser, demo, problems }, use) => {
    const context = await browser.newContext();
    await use(async (count) => {
      const page = await context.newPage();
      watch(page, problems.seen);
      const url = `${demo.url}/beside?${Array.from({ length: count }, () => `id=${newChatId()}`).join('&')}`;
      const chats = Array.from(
        { length: count },
        (_, index) =>
          new Tab(page, url, page.getByRole('region', { name: `Chat ${index + 1}`, exact: true })),
      );
      await page.goto(url);
      for (const chat of chats) await chat.usable();
      return chats;
    });
    await context.close();
  },
});

function newChatId(): string {
  return randomBytes(16).toString('base64url');
}

/** Records uncaught errors, unhandled rejections, and console errors. */
function watch(page: Page, problems: string[]): void {
  page.on('pageerror', (error) => problems.push(`page: ${error.stack ?? error.message}`));
  page.on('console', (message) => {
    if (message.type() === 'error') problems.push(`console: ${message.text()} (${message.location().url})`);
  });
}

/** How many active runs the snapshot at the beginning of a subscription has. */
async function activeRuns(url: string): Promise<number> {
  const done = new AbortController();
  try {
    const response = await fetch(url, { signal: done.signal });
    let text = '';
    const decoder = new TextDecoder();
    for await (const bytes of response.body ?? []) {
      text += decoder.decode(bytes, { stream: true });
      const data = /^data: ?(.*)\n/m.exec(text)?.[1];
      if (data !== undefined) return (JSON.parse(data) as { runs: unknown[] }).runs.length;
    }
    throw new Error(`${url} ended without a snapshot`);
  } finally {
    done.abort();
  }
}
