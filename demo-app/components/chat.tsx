// One chat: puts the hook's state into the parts of the page, and what the reader does back into the hook.
'use client';

import { useState } from 'react';
import { useDemoChat } from '../lib/chat';
import { useStickToBottom } from '../lib/use-stick-to-bottom';
import styles from './chat.module.css';
import { Composer } from './composer';
import { EmptyState } from './empty-state';
import { JumpButton } from './jump-button';
import { MessageList } from './message-list';
import { Notice } from './notice';
import { TopBar } from './top-bar';

export function Chat({ id, modelName }: { id: string; modelName: string | undefined }) {
  const { messages, status, error, connection, ...chat } = useDemoChat(id);
  const [known, setKnown] = useState(false);
  const [stopFailure, setStopFailure] = useState<Error>();
  const { scroller, content, away, jump } = useStickToBottom(messages.length > 0);

  const running = status === 'submitted' || status === 'streaming';
  // Before the first connection has brought the history, an empty list says nothing about the chat.
  if (connection === 'connected' && !known) setKnown(true);
  const empty = messages.length === 0 && known;

  const send = (text: string) => {
    jump();
    void chat.sendMessage({ text });
  };
  const stop = () => {
    setStopFailure(undefined);
    Promise.resolve(chat.stop()).catch((cause: unknown) => setStopFailure(asError(cause)));
  };

  return (
    <div className={styles.chat} data-status={status} data-connection={connection}>
      <TopBar connection={connection} />
      <main className={styles.main}>
        <div ref={scroller} className={styles.scroller} role="log" aria-label="Conversation" tabIndex={0}>
          <div ref={content} className={styles.content}>
            {empty ? (
              <EmptyState modelName={modelName} onPick={send} />
            ) : (
              <MessageList messages={messages} status={status} />
            )}
          </div>
        </div>
        <JumpButton hidden={!away} running={running} onJump={jump} />
      </main>
      <footer className={styles.dock}>
        {stopFailure && running ? (
          <Notice
            title="Stop did not get through"
            detail="The answer is still being written."
            onRetry={stop}
            onDismiss={() => setStopFailure(undefined)}
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
  // What browsers say when a request found no server; each in its own words.
  const unreachable = /failed to fetch|load failed|networkerror|network error/i.test(props.error.message);
  return (
    <Notice
      title={unreachable ? 'The server cannot be reached' : 'The answer did not come through'}
      detail={unreachable ? 'Check your connection; your message is kept.' : props.error.message}
      onRetry={() => void props.onRetry()}
      onDismiss={props.onDismiss}
    />
  );
}

function asError(cause: unknown): Error {
  return cause instanceof Error ? cause : new Error(String(cause));
}
