// The bar on top: what this is, how the connection does, and the two things one does with a chat as a whole.
import Link from 'next/link';
import type { Connection } from '../lib/chat';
import { ConnectionPill } from './connection-pill';
import { CopyLink } from './copy-link';
import { MarkIcon, PlusIcon } from './icons';
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
        {/* A prefetched redirect would hand out the same new chat twice. */}
        <Link href="/" prefetch={false} className={styles.action}>
          <PlusIcon />
          <span className={styles.label}>New chat</span>
        </Link>
      </nav>
    </header>
  );
}
