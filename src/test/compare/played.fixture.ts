// What scenarios are made of.

import type { UIMessageChunk } from 'ai';
import type { Message } from '../fixtures/hooks.fixture.tsx';
import type { Actor, Scenario } from './record.fixture.tsx';
import type { Script, Step } from './script.fixture.ts';

export interface Played extends Scenario {
  /** Answers the nth POST, or on a durable route the nth run. */
  readonly post?: (script: Script, nth: number) => Response | Promise<Response>;
  /** What a durable session has when the hook mounts: the messages of a send, which `stream` is answering. */
  readonly before?: readonly Message[];
  /** Why it says nothing of a durable route. */
  readonly plainOnly?: string;
  /** Answers the SDK's own request to resume. */
  readonly stream?: (script: Script) => Response;
}

/** An answer in one text. */
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

/** The same, held in the middle. */
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

/** Sends, and comes back while the answer is held. */
export async function sendHeld(actor: Actor, words: string): Promise<{ readonly done: Promise<void> }> {
  const done = actor.chat.sendMessage({ text: words });
  await actor.quiet();
  return { done };
}

/** The usual answer to the nth send. */
export const numbered = (script: Script, nth: number): Response => script.reply(text(`answer ${nth + 1}`));
