// Restores the sends of an earlier page: open ones are sent again, and refused ones are shown again.

import type { AbstractChat, UIMessage } from 'ai';
import { idempotencyHeader } from '../../protocol/requests.ts';
import type { Core } from '../core.ts';
import { setOwnMessages } from '../list/set-messages.ts';
import { until } from '../../lib/until.ts';
import { errorOf, nameOf, type KeptSend } from '../sends/storage.ts';

/** How long a new message waits for the session to connect, in milliseconds. */
const connectWithinMs = 5_000;

const restored = new WeakSet<Core>();

/** Restores the sends of `core` into `chat`, once. */
export async function restore<M extends UIMessage>(core: Core, chat: AbstractChat<M>): Promise<void> {
  const { runtime, store, storage, deliveries } = core;
  if (!storage || restored.has(core)) return;
  restored.add(core);
  const dueAt = runtime.monotonic() + connectWithinMs;
  for (const kept of storage.sends) {
    const { message, trigger, messageId, key, body } = kept;
    const isNew = trigger === 'submit-message' && messageId === undefined;
    // A new message is shown as waiting even before the log is known, and sent although no subscription connects.
    await until(
      runtime,
      store.subscribe,
      () => {
        const { state, connection } = store.getSnapshot();
        return state ?? ((isNew && !connection.startsWith('connect')) || undefined);
      },
      isNew ? { ms: dueAt - runtime.monotonic() } : {},
    );
    if (isNew && store.client.session?.byId.has(message.id)) {
      storage.forget(nameOf(kept));
      continue;
    }
    if (kept.refused) {
      showRefused(core, kept, isNew);
      continue;
    }
    deliveries.markLeft(kept);
    const options = {
      ...(body && { body }),
      ...(key !== undefined && { headers: { [idempotencyHeader]: key } }),
      ...(messageId !== undefined && { messageId }),
    };
    // A regeneration posts the chat's question, which the app can have edited.
    if (trigger === 'regenerate-message')
      setOwnMessages(
        chat,
        chat.messages.map((one) => (one.id === message.id ? (message as M) : one)), // as this chat has sent it
      );
    const made =
      trigger === 'regenerate-message'
        ? // The list can have grown since.
          chat.regenerate({ ...options, messageId: message.id })
        : // The app's own message type, as this chat has sent it before.
          chat.sendMessage({ ...(message as M), ...(messageId !== undefined && { messageId }) }, options);
    // The chat itself reports a refusal. A message that it cannot send is removed.
    const over = made.catch(() => storage.forget(nameOf(kept)));
    const isEntered = () => store.client.sends.some((send) => send.message.id === message.id) || undefined;
    await Promise.race([over, until(runtime, store.subscribe, isEntered, { ms: connectWithinMs })]);
  }
}

function showRefused({ store }: Core, { message, refused, changes }: KeptSend, isNew: boolean): void {
  if (!refused) return;
  const key = `refused ${message.id}`;
  const send = {
    key,
    kind: isNew ? 'new' : 'edit',
    message,
    afterMessageId: refused.afterMessageId,
    changes,
  } as const;
  store.dispatch({ type: 'send', send });
  store.dispatch({ type: 'refuse', key, error: errorOf(refused) });
}
