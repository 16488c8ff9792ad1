// How the connection does: a quiet dot while all is well, words with colour when it is not.
import type { Connection } from '../lib/chat';
import styles from './connection-pill.module.css';

const WORDS: Record<Connection, string> = {
  connecting: 'Connecting…',
  connected: 'Connected',
  reconnecting: 'Reconnecting…',
  offline: 'Offline',
  closed: 'Closed',
};

export function ConnectionPill({ connection }: { connection: Connection }) {
  return (
    <span role="status" className={styles.pill} data-connection={connection}>
      <span className={styles.words}>{WORDS[connection]}</span>
    </span>
  );
}
