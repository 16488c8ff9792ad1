// The messages in order, and a sign of life between a question and the first word of its answer.
import type { ChatStatus, UIMessage } from 'ai';
import { Message } from './message';
import styles from './message.module.css';
import { Waiting } from './waiting';

export function MessageList({ messages, status }: { messages: UIMessage[]; status: ChatStatus }) {
  const running = status === 'submitted' || status === 'streaming';
  const last = messages.at(-1);
  return (
    <div className={styles.list} aria-busy={running}>
      {messages
        .filter((message) => message.role !== 'system')
        .map((message) => (
          <Message
            key={message.id}
            message={message}
            live={running && message === last && message.role === 'assistant'}
          />
        ))}
      {running && last?.role !== 'assistant' && <Waiting />}
    </div>
  );
}
