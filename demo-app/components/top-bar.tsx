// The bar on top: the name, the state of the connection, and the actions on the whole chat.
import type { Connection } from '../lib/chat';
import { ConnectionPill } from './connection-pill';
import { CopyLink } from './copy-link';
import { MarkIcon } from './icons';
import { NewChat } from './new-chat';
import styles from './top-bar.module.css';

export function TopBar({ connection }: { connection: Connection }) {
  return (
    <header className={styles.bar}>
      <span className={styles.brand}>
        <MarkIcon />
        <span>durable-chat</span>
      </span>
      <ConnectionPill connection={connection} />
      <nav className={styles.actions} aria-label="Chat">
        <CopyLink />
        <NewChat />
      </nav>
    </header>
  );
}
