// The sources of an answer, as a row of links below it.
import type { UIMessage } from 'ai';
import { safeUrl } from '../../lib/safe-url';
import styles from './card.module.css';

export function Sources({ parts }: { parts: UIMessage['parts'] }) {
  const sources = parts.filter((part) => part.type === 'source-url' || part.type === 'source-document');
  if (sources.length === 0) return null;
  return (
    <ul className={styles.sources} aria-label="Sources">
      {sources.map((source) => (
        <li key={source.sourceId}>
          {source.type === 'source-url' ? (
            <a className={styles.chip} href={safeUrl(source.url)} target="_blank" rel="noreferrer">
              <span>{source.title ?? source.url}</span>
            </a>
          ) : (
            <span className={styles.chip}>
              <span>{source.title}</span>
            </span>
          )}
        </li>
      ))}
    </ul>
  );
}
