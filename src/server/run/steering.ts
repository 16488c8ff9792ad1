// Steering across processes: a message that was sent with `whenBusy: 'steer'` waits like any queued one, and
// is offered to the running answer meanwhile. If the answer takes it, it needs no turn of its own.

import * as ai from 'ai';
import type { ModelMessage, UIMessage } from 'ai';
import { entries } from '../../protocol/entries.ts';
import { DurableChatError } from '../../protocol/errors.ts';
import type { ActiveRun } from '../../protocol/session-state.ts';
import type { Session } from '../follow/session.ts';

/** The SDK's steering object, if the installed `ai` has one. */
export type Steering = typeof ai extends { experimental_createSteering: () => infer S } ? S : unknown;

/** How a handler takes messages that were sent to steer its answer. If it uses neither, the messages wait. */
export interface Steered {
  /**
   * Pass it as `experimental_steering` (ai 7). It gets messages from any tab, through any server
   * instance. Throws `config` if the installed `ai` has no steering.
   */
  readonly steering: Steering;
  /** The messages since the last call, for `prepareStep`. Taking them counts as delivery. */
  takeMessages(): Promise<ModelMessage[]>;
}

/** The run that a handler works for. */
export interface HandlerRun extends Steered {
  /** The run id, unique in the session. */
  readonly id: string;
  /**
   * The id of the assistant message that the run writes, for all viewers, whatever id the handler's stream has. Pass it
   * on, as in `toUIMessageStream({ generateMessageId: () => run.messageId })`, so that callbacks of the SDK get it too.
   */
  readonly messageId: string;
}

type Outcome = { readonly step?: number; readonly inside: boolean } | { readonly missed: string };

/** The part of the SDK's object that is used. */
interface SdkSteering {
  steer(
    message: ModelMessage,
    options: { readonly id: string },
  ): Promise<{ readonly type: string; readonly stepNumber?: number; readonly reason?: string }>;
}

/** The steering of one run. */
export interface RunSteering {
  readonly run: HandlerRun;
  /** Resolves once the log has what became of every message that was offered. Never rejects. */
  settle(): Promise<void>;
}

/** The steering of the run `runId`. It offers nothing before the handler uses it. */
export function createSteering(
  session: Pick<Session, 'state' | 'isReadable' | 'onChange' | 'append'>,
  { runId, messageId }: Pick<HandlerRun, 'messageId'> & { readonly runId: string },
): RunSteering {
  const offered = new Set<string>();
  const deliveries = new Set<Promise<void>>();
  let steering: SdkSteering | undefined;
  let off: () => void = () => {};

  /**
   * Waiting messages that were not offered yet. Of parallel runs the first one takes them. None where a delivery cannot
   * be recorded: they would be answered twice.
   */
  function waiting(): { of: ActiveRun; message: UIMessage }[] {
    if (!session.isReadable || session.state.active[0]?.runId !== runId) return [];
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

  /** After a failure the message still waits for its turn. */
  function deliver(of: ActiveRun, delivery: Promise<void>): void {
    offered.add(of.runId);
    deliveries.add(delivery.catch(() => {}));
  }

  function offerAll(): void {
    if (!steering) return;
    for (const { of, message } of waiting()) {
      deliver(of, offer(steering, of, message));
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
              '`run.steering` needs `ai` 7 or later. With `ai` 6, use `run.takeMessages()`.',
            );
          steering = create() as SdkSteering; // by its own documentation
          off = session.onChange(offerAll);
          offerAll();
        }
        return steering as Steering; // the very object
      },
      async takeMessages() {
        const taken = waiting();
        // The answer does not wait for the store (G8).
        for (const { of } of taken) deliver(of, record(of, { inside: false }));
        return ai.convertToModelMessages(taken.map(({ message }) => message));
      },
    },
    async settle() {
      off();
      for (const { of } of waiting()) deliver(of, record(of, { missed: 'not-taken' }));
      await Promise.all(deliveries);
    },
  };
}
