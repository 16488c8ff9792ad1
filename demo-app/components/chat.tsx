// One chat: passes the hook's state to the components, and the reader's actions to the hook.
'use client';

import { useState } from 'react';
import { ActionsContext, useChatActions, type Actions } from '../lib/actions';
import { useDemoChat } from '../lib/chat';
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
                <MessageList items={itemsOf(chat)} running={running} />
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
          error && <ErrorNotice error={error} onRetry={chat.regenerate} onDismiss={chat.clearError} />
        )}
        <Composer running={running} onSend={send} onStop={stop} />
      </footer>
    </div>
  );
}

function ErrorNotice(props: { error: Error; onRetry: () => Promise<void>; onDismiss: () => void }) {
  const unreachable = codeOf(props.error) === 'network';
  return (
    <Notice
      title={unreachable ? 'The server cannot be reached' : 'The answer failed'}
      detail={unreachable ? 'Check your connection. Your message is kept.' : props.error.message}
      onRetry={() => void props.onRetry()}
      onDismiss={props.onDismiss}
    />
  );
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}

function codeOf(cause: unknown): unknown {
  return typeof cause === 'object' && cause !== null && 'code' in cause ? cause.code : undefined;
}
