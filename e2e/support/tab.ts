// A chat in a browser tab: the user's actions, and what the page shows.
import { expect, type Locator, type Page } from '@playwright/test';
import { count } from './count.ts';

export interface ShownMessage {
  readonly author: string;
  readonly text: string;
}

/** A tool call as the page shows it. */
export interface ShownTool {
  readonly title: string;
  readonly state: string;
}

/** The text of the last answer after one change of the page. */
interface Sample {
  /** Milliseconds since the page was loaded. */
  readonly at: number;
  /** Answers on the page. */
  readonly answers: number;
  readonly text: string;
}

type RecordingWindow = Window & { shownAnswers?: Sample[] };

export class Tab {
  readonly page: Page;
  readonly url: string;
  /** The part of the page that is the chat. */
  readonly #chat: Page | Locator;
  /** The text of the last answer. */
  readonly answer: Locator;
  /** The triggers of all POSTs of the page since it was opened. */
  readonly posts: string[] = [];

  constructor(page: Page, url: string, chat: Page | Locator = page) {
    this.page = page;
    this.url = url;
    this.#chat = chat;
    this.answer = chat.getByRole('article', { name: 'Assistant' }).last().getByTestId('text');
    page.on('request', (request) => {
      if (request.method() !== 'POST') return;
      const { trigger } = (request.postDataJSON() ?? {}) as { trigger?: string };
      this.posts.push(trigger ?? 'none');
    });
  }

  /** Loads the chat and waits until it can be used. */
  async open(): Promise<void> {
    await this.page.addInitScript(recordAnswers);
    await this.page.goto(this.url);
    await this.usable();
  }

  async reload(): Promise<void> {
    await this.page.reload();
    await this.usable();
  }

  async usable(): Promise<void> {
    await expect(this.#chat.locator('form[data-ready=true]')).toBeVisible();
    await this.expectConnection('Connected');
  }

  async send(text: string): Promise<void> {
    await this.type(text);
    await this.#chat.getByRole('button', { name: 'Send', exact: true }).click();
  }

  async type(text: string): Promise<void> {
    await this.#chat.getByRole('textbox', { name: 'Message' }).fill(text);
  }

  async stop(): Promise<void> {
    await this.press('Stop');
  }

  /** Presses the only button of this name. */
  async press(name: string): Promise<void> {
    await this.#chat.getByRole('button', { name, exact: true }).click();
  }

  /** Presses a button of a message, which appears when the pointer is on the message. */
  async pressOn(author: 'You' | 'Assistant', text: string, name: string): Promise<void> {
    const message = this.#chat
      .getByRole('article', { name: author })
      .filter({ has: this.page.getByText(text, { exact: true }) });
    await message.hover();
    await message.getByRole('button', { name, exact: true }).click();
  }

  /** Edits a user message. */
  async edit(text: string, to: string): Promise<void> {
    await this.pressOn('You', text, 'Edit');
    await this.#chat.getByRole('textbox', { name: 'Your text' }).fill(to);
    await this.press('Save');
  }

  /** Every tool call from the top. */
  tools(): Promise<ShownTool[]> {
    return this.#chat.getByRole('region', { name: /^Tool / }).evaluateAll((cards) =>
      cards.map((card) => ({
        title: card.querySelector('summary > :first-child')?.textContent ?? '',
        state: card.querySelector('summary > :last-child')?.textContent ?? '',
      })),
    );
  }

  /** Every message from the top; texts of one message are joined by a line break. */
  messages(): Promise<ShownMessage[]> {
    return this.#chat.getByRole('article').evaluateAll((articles) =>
      articles.map((article) => ({
        author: article.getAttribute('aria-label') ?? '',
        text: [...article.querySelectorAll('[data-testid=text]')].map((text) => text.textContent).join('\n'),
      })),
    );
  }

  status(): Promise<string | null> {
    return this.#chat.locator('[data-status]').getAttribute('data-status');
  }

  async answerText(): Promise<string> {
    return (await this.messages()).findLast(({ author }) => author === 'Assistant')?.text ?? '';
  }

  /** The last answer contains this number. */
  async expectCounted(n: number): Promise<void> {
    await expect(this.answer).toHaveText(new RegExp(`\\b${n}\\b`));
  }

  /** The last answer shows exactly a count to `n`, and is still being written. */
  async expectHeldAt(n: number): Promise<void> {
    await expect(this.answer).toHaveText(count(n));
    await this.expectStatus('streaming');
  }

  async expectStatus(status: 'ready' | 'submitted' | 'streaming'): Promise<void> {
    await expect(this.#chat.locator('[data-status]')).toHaveAttribute('data-status', status);
  }

  async expectConnection(words: 'Connected' | 'Reconnecting…' | 'Offline'): Promise<void> {
    await expect(this.#chat.getByRole('status')).toHaveText(words);
  }

  /** Since the page was loaded, no answer has lost a character, not even for one frame. */
  async expectNoStepBack(): Promise<void> {
    const samples = await this.page.evaluate(() => (window as RecordingWindow).shownAnswers ?? []);
    expect(samples.length).toBeGreaterThan(0);
    const lost = samples.findIndex(({ answers, text }, index) => {
      const before = samples[index - 1];
      if (!before || answers > before.answers) return false;
      return answers < before.answers || !text.startsWith(before.text);
    });
    // The ends of the texts show what was lost, and where.
    const around = samples
      .slice(Math.max(0, lost - 2), lost + 3)
      .map(({ text, ...rest }) => ({ ...rest, end: text.slice(-40) }));
    expect(lost === -1 ? [] : around, `${samples.length} states, step back at the ${lost + 1}th`).toEqual([]);
  }
}

/** Runs in the page before its own scripts. */
function recordAnswers(): void {
  const samples: Sample[] = [];
  (window as RecordingWindow).shownAnswers = samples;
  const record = () => {
    const answers = document.querySelectorAll('article[aria-label=Assistant]');
    const last = samples.at(-1);
    if (answers.length === 0 && !last) return;
    const texts = answers.item(answers.length - 1)?.querySelectorAll('[data-testid=text]') ?? [];
    const text = [...texts].map((part) => part.textContent).join('\n');
    if (last?.answers !== answers.length || last.text !== text)
      samples.push({ at: Math.round(performance.now()), answers: answers.length, text });
  };
  new MutationObserver(record).observe(document, { subtree: true, childList: true, characterData: true });
}
