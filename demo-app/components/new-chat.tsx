// The link to a new chat. A click navigates within this page; another tab gets a redirect from the server.
'use client';

import Link from 'next/link';
import { useRouter } from 'next/navigation';
import { newId } from '../lib/new-id';
import { PlusIcon } from './icons';
import styles from './top-bar.module.css';

export function NewChat() {
  const router = useRouter();
  return (
    <Link
      href="/"
      // A prefetched redirect would lead to the same new chat twice.
      prefetch={false}
      className={styles.action}
      onNavigate={(event) => {
        event.preventDefault();
        router.push(`/chat/${newId()}`);
      }}
    >
      <PlusIcon />
      <span className={styles.label}>New chat</span>
    </Link>
  );
}
