// One message. It renders again only when its own object changes, so a long history costs a stream nothing.
import type { UIMessage } from 'ai';
import { memo } from 'react';
import styles from './message.module.css';
import { Part } from './part';
import { Sources } from './sources';
import { Waiting } from './waiting';

export const Message = memo(function Message({ message, live }: { message: UIMessage; live: boolean }) {
  const end = message.parts.at(-1);
  const writing = live && end?.type === 'text' && end.text !== '';
  return (
    <article
      className={styles.message}
      aria-label={message.role === 'user' ? 'You' : 'Assistant'}
      data-role={message.role}
      data-writing={writing}
    >
      {message.parts.map((part, index) => (
        // oxlint-disable-next-line react/no-array-index-key -- parts have no id, and only ever grow at the end
        <Part key={index} part={part} live={live && part === end} />
      ))}
      <Sources parts={message.parts} />
      {live && !writing && <Waiting />}
    </article>
  );
});
