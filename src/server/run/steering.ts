// Steering across processes: a message that was sent with `whenBusy: 'steer'` waits as any queued one does, and
// is offered to the running answer in the meantime. Taken, it needs no turn of its own; else it gets one.

import * as ai from 'ai';
import type { ModelMessage, UIMessage } from 'ai';
import { entries } from '../../protocol/entries.ts';
import { DurableChatError } from '../../protocol/errors.ts';
import type { ActiveRun } from '../../protocol/session-state.ts';
import type { Session } from '../follow/session.ts';

/** The SDK's steering object, where the installed `ai` has one. */
export type Steering = typeof ai extends { experimental_createSteering: () => infer S } ? S : unknown;

/** What a handler can do with messages that were sent to steer its answer. Without either, they wait. */
export interface Steered {
  /**
   * To be passed on as `experimental_steering` (ai 7): it is fed from the session, from any tab and any server
   * instance. Throws `config` where the installed `ai` knows no steering.
   */
  readonly steering: Steering;
  /** The messages that have come since the last call, for `prepareStep`; taking them counts as delivery. */
  takeMessages(): Promise<ModelMessage[]>;
}

/** The run that a handler works for. */
export interface HandlerRun extends Steered {
  readonly id: string;
  /**
   * The assistant message that it writes: everybody has it under this id, whatever id the handler's stream gives it.
   * Pass it on, as in `toUIMessageStream({ generateMessageId: () => run.messageId })`, and callbacks of the SDK see it too.
   */
  readonly messageId: string;
}

type Outcome = { readonly step?: number; readonly inside: boolean } | { readonly missed: string };

/** The SDK's own, as far as it is used here. */
interface SdkSteering {
  steer(
    message: ModelMessage,
    options: { readonly id: string },
  ): Promise<{ readonly type: string; readonly stepNumber?: number; readonly reason?: string }>;
}

export interface RunSteering {
  readonly run: HandlerRun;
  /** Resolves once the log has what became of every message that was offered. Never rejects. */
  settle(): Promise<void>;
}

export function createSteering(
  session: Pick<Session, 'state' | 'onChange' | 'append'>,
  { runId, messageId }: Pick<HandlerRun, 'messageId'> & { readonly runId: string },
): RunSteering {
  const offered = new Set<string>();
  const words = new Set<Promise<void>>();
  let steering: SdkSteering | undefined;
  let off: () => void = () => {};

  /** Messages that wait and were not offered yet. Of runs that go on side by side the first one takes them. */
  function waiting(): { of: ActiveRun; message: UIMessage }[] {
    if (session.state.active[0]?.runId !== runId) return [];
    return session.state.active.slice(1).flatMap((of) => {
      const message = of.userMessageId === undefined ? undefined : session.state.byId.get(of.userMessageId);
      return of.steer && !of.stop && message && !offered.has(of.runId) ? [{ of, message }] : [];
    });
  }

  async function record(of: ActiveRun, how: Outcome): Promise<void> {
    await session.append(entries.steer(of.runId, runId, how), { existing: true });
  }

  async function offer(to: SdkSteering, of: ActiveRun, message: UIMessage): Promise<void> {
    const [converted] = await ai.convertToModelMessages([message]);
    if (!converted) return;
    const { type, stepNumber, reason = type } = await to.steer(converted, { id: message.id });
    if (type !== 'delivered') return record(of, { missed: reason });
    await record(of, { ...(stepNumber !== undefined && { step: stepNumber }), inside: true });
  }

  function offerAll(): void {
    if (!steering) return;
    for (const { of, message } of waiting()) {
      offered.add(of.runId);
      // A failure leaves the message waiting for its turn.
      const word = offer(steering, of, message).catch(() => {});
      words.add(word);
    }
  }

  return {
    run: {
      id: runId,
      messageId,
      get steering() {
        if (!steering) {
          const { experimental_createSteering: create } = ai as {
            experimental_createSteering?: () => unknown;
          };
          if (!create)
            throw new DurableChatError(
              'config',
              'run.steering needs `ai` 7 or later. With `ai` 6, use run.takeMessages().',
            );
          steering = create() as SdkSteering; // by its own documentation
          off = session.onChange(offerAll);
          offerAll();
        }
        return steering as Steering; // the very object
      },
      async takeMessages() {
        const taken = waiting();
        for (const { of } of taken) offered.add(of.runId);
        for (const { of } of taken) await record(of, { inside: false });
        return ai.convertToModelMessages(taken.map(({ message }) => message));
      },
    },
    async settle() {
      off();
      for (const { of } of waiting()) words.add(record(of, { missed: 'not-taken' }).catch(() => {}));
      await Promise.all(words);
    },
  };
}
