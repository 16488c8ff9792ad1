// Chooses how a part of a message looks. Parts it does not know, custom data among them, are not shown.
import { isToolUIPart } from 'ai';
import type { DemoMessage } from '../lib/chat';
import { FileLink } from './file-link';
import styles from './message.module.css';
import { Reasoning } from './reasoning';
import { ToolCard } from './tool-card';

interface PartProps {
  part: DemoMessage['parts'][number];
  live: boolean;
  /** What the part asks of the reader can still be answered. */
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
        <p className={styles.steered} aria-label="You, while it was written">
          {part.parts.map((said) => (said.type === 'text' ? said.text : said.filename)).join(' ')}
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
