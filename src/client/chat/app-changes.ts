// What the app changes in the chat's list with `setMessages`: an intent, which travels with the next send.

import type { AbstractChat, UIMessage } from 'ai';
import type { Core } from '../core.ts';
import { equal, isSame } from '../../lib/equal.ts';
import { intentOf } from '../list/intent.ts';
import { watchMessages } from '../list/set-messages.ts';

/** The watch over an app's changes of its chat's list. */
export interface AppChanges {
  /** From now on the app has these very objects. */
  handOut(messages: readonly UIMessage[]): void;
  /** Changes that no send has taken are dropped. */
  close(): void;
}

/** Records in the client's state which messages of the session the app removes or edits, until `close`. */
export function watchAppChanges<M extends UIMessage>(chat: AbstractChat<M>, core: Core): AppChanges {
  const { store } = core;
  const handedOut = new WeakSet<UIMessage>();

  const handOut = (messages: readonly UIMessage[]) => {
    for (const message of messages) handedOut.add(message);
  };

  /** Called when the app sets the list. */
  function intend(before: readonly M[], set: readonly M[]): void {
    const { session: state, intent, sends } = store.client;
    const { cursor } = core.live.subscription;
    if (!state || cursor === undefined || isSame(before, set)) return;
    handOut(before);
    const isOfSession = ({ id }: UIMessage) =>
      state.byId.has(id) || sends.some((send) => send.state === 'refused' && send.message.id === id);
    // Earlier removals and edits since the last send still count.
    const removed = (intent?.removed ?? []).flatMap((id) => (state.byId.get(id) as M | undefined) ?? []);
    const shown = [...before.filter(isOfSession), ...removed];
    const changes = intentOf(shown, (message) => handedOut.has(message), set);
    const isUndone = (one: UIMessage) => {
      const logged = state.byId.get(one.id);
      return logged !== undefined && equal(one, logged);
    };
    const kept =
      changes &&
      (intent?.edited ?? []).filter(({ id }) =>
        set.some((one) => one.id === id && handedOut.has(one) && !isUndone(one)),
      );
    core.storage?.forgetChanges();
    store.dispatch(
      {
        type: 'intend',
        intent: changes && {
          // The app has seen what came since its earlier changes.
          seen: cursor,
          removed: changes.removed,
          edited: [...(kept ?? []), ...changes.edited],
        },
      },
      'quiet',
    );
  }

  const off = watchMessages(chat, intend);
  return {
    handOut,
    close() {
      off();
      store.dispatch({ type: 'intend', intent: undefined }, 'quiet');
    },
  };
}
