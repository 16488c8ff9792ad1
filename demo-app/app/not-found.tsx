import Link from 'next/link';
import styles from '../components/empty-state.module.css';

export default function NotFound() {
  return (
    <main className={styles.empty}>
      <h1 className={styles.title}>This page does not exist</h1>
      <p className={styles.lead}>
        <Link href="/" prefetch={false}>
          Open a new chat
        </Link>
      </p>
    </main>
  );
}
