// Chooses the component for a part of a message. Unknown parts, such as custom data, are not shown.
import { isToolUIPart } from 'ai';
import type { DemoMessage } from '../../lib/chat';
import { FileLink } from './file-link';
import styles from './message.module.css';
import { Reasoning } from './reasoning';
import { ToolCard } from './tool-card';

interface PartProps {
  part: DemoMessage['parts'][number];
  live: boolean;
  /** The reader can still answer the part's question. */
  answerable: boolean;
}

export function Part({ part, live, answerable }: PartProps) {
  if (isToolUIPart(part)) return <ToolCard part={part} answerable={answerable} />;
  switch (part.type) {
    case 'text':
      if (part.text === '') return null;
      return (
        <div data-testid="text" className={styles.text}>
          {part.text}
        </div>
      );
    case 'steering-message':
      return (
        <p role="note" className={styles.steered} aria-label="Your message during the answer">
          {part.parts.map((own) => (own.type === 'text' ? own.text : own.filename)).join(' ')}
        </p>
      );
    case 'reasoning':
      return part.text === '' ? null : <Reasoning text={part.text} live={live} />;
    case 'file':
      return <FileLink url={part.url} name={part.filename ?? part.mediaType} />;
    default:
      return null;
  }
}
