// One chat: passes the hook's state to the components, and the reader's actions to the hook.
'use client';

import { useState } from 'react';
import { ActionsContext, useChatActions, type Actions } from '../lib/actions';
import { useDemoChat, type DemoChat } from '../lib/chat';
import { isRunning, itemsOf } from '../lib/items';
import { useStickToBottom } from '../lib/use-stick-to-bottom';
import styles from './chat.module.css';
import { Composer } from './composer';
import { EmptyState } from './empty-state';
import { JumpButton } from './jump-button';
import { MessageList } from './message/message-list';
import { Notice } from './notice';
import { TopBar } from './top-bar';

type Failure = { action: keyof Actions | 'stop'; error: unknown };

export function Chat({ id, modelName }: { id: string; modelName: string | undefined }) {
  const [failure, setFailure] = useState<Failure>();
  const fail = (error: unknown, action: Failure['action']) => {
    // Another client was first, or the run's turn has come: the page shows that already.
    if (codeOf(error) !== 'conflict') setFailure({ action, error });
  };
  const chat = useDemoChat(id, (cause) => fail(cause, 'answer'));
  const { messages, status, error, connection } = chat;
  const [known, setKnown] = useState(false);
  const { scroller, content, away, jump } = useStickToBottom(messages.length > 0);
  const actions = useChatActions(chat, fail);

  const running = isRunning(chat);
  const items = itemsOf(chat);
  // An empty list means an empty chat only after the first connection has loaded the history.
  if (connection === 'connected' && !known) setKnown(true);
  const empty = messages.length === 0 && known;

  const send = (text: string, how?: 'interrupt' | 'steer') => {
    jump();
    setFailure(undefined);
    void chat.sendMessage({ text }, how ? { body: { whenBusy: how } } : {});
  };
  const stop = () => {
    setFailure(undefined);
    Promise.resolve(chat.stop()).catch((cause: unknown) => fail(cause, 'stop'));
  };
  const stopFailed = failure?.action === 'stop';

  return (
    <div className={styles.chat} data-status={status} data-connection={connection}>
      <TopBar connection={connection} />
      <main className={styles.main}>
        <div ref={scroller} className={styles.scroller} role="log" aria-label="Conversation" tabIndex={0}>
          <div ref={content} className={styles.content}>
            {empty ? (
              <EmptyState modelName={modelName} onPick={send} />
            ) : (
              <ActionsContext value={actions}>
                <MessageList items={items} running={running} />
              </ActionsContext>
            )}
          </div>
        </div>
        <JumpButton hidden={!away} running={running} onJump={jump} />
      </main>
      <footer className={styles.dock}>
        {failure && failure.error !== error && (running || !stopFailed) ? (
          <Notice
            title={stopFailed ? 'The answer could not be stopped' : 'The request failed'}
            detail={stopFailed ? 'The answer is still being written.' : messageOf(failure.error)}
            {...(stopFailed && { onRetry: stop })}
            onDismiss={() => setFailure(undefined)}
          />
        ) : (
          error && <ErrorNotice chat={chat} error={error} />
        )}
        <Composer
          running={running}
          unsent={items.some(({ standing }) => standing === 'unsent')}
          onSend={send}
          onStop={stop}
        />
      </footer>
    </div>
  );
}

function ErrorNotice({ chat, error }: { chat: DemoChat; error: Error }) {
  const unreachable = codeOf(error) === 'network';
  const refused = chat.unsent.some(
    ({ status, messageId }) => status === 'refused' && messageId === chat.messages.at(-1)?.id,
  );
  return (
    <Notice
      title={
        unreachable
          ? 'The server cannot be reached'
          : refused
            ? 'The message was not sent'
            : 'The answer failed'
      }
      detail={unreachable ? 'Check your connection. Your message is kept.' : error.message}
      // A refused message has its own button.
      {...(!refused && { onRetry: () => void chat.regenerate() })}
      onDismiss={chat.clearError}
    />
  );
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}

function codeOf(cause: unknown): unknown {
  return typeof cause === 'object' && cause !== null && 'code' in cause ? cause.code : undefined;
}
