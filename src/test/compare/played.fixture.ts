// The parts of scenarios.

import type { UIMessageChunk } from 'ai';
import type { Message } from '../fixtures/hooks.fixture.tsx';
import type { Actor, Scenario } from './record.fixture.tsx';
import type { Script, Step } from './script.fixture.ts';

export interface Played extends Scenario {
  /** Answers the nth POST; on a durable route, the nth run. */
  readonly post?: (script: Script, nth: number) => Response | Promise<Response>;
  /** The messages of a durable session when the hook mounts: a send that `stream` answers. */
  readonly before?: readonly Message[];
  /** Why the scenario does not apply to a durable route. */
  readonly plainOnly?: string;
  /** Answers the SDK's request to resume. */
  readonly stream?: (script: Script) => Response;
}

/** An answer with one text. */
export function text(words: string, messageId?: string): UIMessageChunk[] {
  return [
    { type: 'start', ...(messageId !== undefined && { messageId }) },
    { type: 'start-step' },
    { type: 'text-start', id: '1' },
    { type: 'text-delta', id: '1', delta: words },
    { type: 'text-delta', id: '1', delta: '!' },
    { type: 'text-end', id: '1' },
    { type: 'finish-step' },
    { type: 'finish', finishReason: 'stop' },
  ];
}

/** The same, held halfway. */
export function heldText(words: string): Step[] {
  const chunks = text(words);
  return [...chunks.slice(0, 4), 'hold', ...chunks.slice(4)];
}

export const send =
  (words: string) =>
  async (actor: Actor): Promise<void> => {
    await actor.chat.sendMessage({ text: words });
    await actor.quiet();
  };

/** Sends, unmounts, and mounts again while the answer is held. */
export async function sendHeld(actor: Actor, words: string): Promise<{ readonly done: Promise<void> }> {
  const done = actor.chat.sendMessage({ text: words });
  await actor.quiet();
  return { done };
}

/** The default answer to the nth send. */
export const numbered = (script: Script, nth: number): Response => script.reply(text(`answer ${nth + 1}`));
