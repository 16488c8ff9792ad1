// Chooses how a part of a message looks. Parts it does not know, custom data among them, are not shown.
import { getToolName, isToolUIPart, type UIMessage } from 'ai';
import { FileLink } from './file-link';
import styles from './message.module.css';
import { Reasoning } from './reasoning';
import { ToolCard } from './tool-card';

export function Part({ part, live }: { part: UIMessage['parts'][number]; live: boolean }) {
  if (isToolUIPart(part)) return <ToolCard name={part.title ?? getToolName(part)} part={part} />;
  switch (part.type) {
    case 'text':
      if (part.text === '') return null;
      return (
        <div data-testid="text" className={styles.text}>
          {part.text}
        </div>
      );
    case 'reasoning':
      return part.text === '' ? null : <Reasoning text={part.text} live={live} />;
    case 'file':
      return <FileLink url={part.url} name={part.filename ?? part.mediaType} />;
    default:
      return null;
  }
}
