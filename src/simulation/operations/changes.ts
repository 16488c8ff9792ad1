// Changes of what was said: withdrawals, edits, regenerations and deletions.

import type { Random } from '../../test/fixtures/random.fixture.ts';
import type { Page } from '../processes/page.ts';
import type { Stage } from '../stage.ts';
import { textFor } from './send.ts';
import type { Operation } from './operation.ts';

/** A command of a page. What it is refused with is in the trace. */
function command(
  name: string,
  weight: number,
  begin: (page: Page, random: Random, stage: Stage) => Promise<unknown> | undefined,
): Operation {
  return {
    name,
    weight,
    perform(stage, random) {
      const page = random.pick(stage.awake);
      if (!page) return;
      begin(page, random, stage)?.catch((error: unknown) => {
        stage.world.trace(() => `${page.process.name} ${name} failed: ${String(error)}`);
      });
    },
  };
}

/** The operations. */
export const changes: readonly Operation[] = [
  command('withdraw', 2, (page, random) => {
    const { runs } = page.session.getSnapshot();
    // Now and then one whose turn has come.
    const from = random.chance(0.8) ? runs.filter(({ status }) => status === 'queued') : runs;
    const runId = random.pick(from)?.runId;
    return runId === undefined ? undefined : page.session.withdraw({ runId });
  }),

  command('regenerate', 2, (page, random) => {
    const { messages } = page;
    const answer = random.pick(messages.filter(({ role }) => role === 'assistant'));
    if (!answer) return undefined;
    const before = messages.slice(0, messages.indexOf(answer));
    return page.post(before, { trigger: 'regenerate-message', messageId: answer.id });
  }),

  command('edit', 2, (page, random, stage) => {
    const { messages } = page;
    const message = random.pick(messages.filter(({ role }) => role === 'user'));
    if (!message) return undefined;
    const edited = { ...message, parts: [{ type: 'text' as const, text: textFor(stage.name('e'), random) }] };
    const before = messages.slice(0, messages.indexOf(message));
    return page.post([...before, edited], { trigger: 'submit-message', messageId: message.id });
  }),

  command('delete a message', 1, (page, random) => {
    const id = random.pick(page.messages)?.id;
    return id === undefined ? undefined : page.session.deleteMessage(id);
  }),

  command('clear', 0.5, (page) => page.session.clear()),

  command('delete the session', 0.5, ({ sessionId }, random, stage) => {
    stage.evidence.lost.add(sessionId);
    return random
      .pick([...stage.instances])
      ?.session(sessionId)
      .delete();
  }),
];
