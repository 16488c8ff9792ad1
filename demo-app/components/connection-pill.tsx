// The state of the connection: a dot while connected, a coloured label otherwise.
import type { Connection } from '../lib/chat';
import styles from './connection-pill.module.css';

const LABELS: Record<Connection, string> = {
  connecting: 'Connecting…',
  connected: 'Connected',
  reconnecting: 'Reconnecting…',
  offline: 'Offline',
  closed: 'Closed',
};

export function ConnectionPill({ connection }: { connection: Connection }) {
  return (
    <span role="status" className={styles.pill} data-connection={connection}>
      <span className={styles.words}>{LABELS[connection]}</span>
    </span>
  );
}
