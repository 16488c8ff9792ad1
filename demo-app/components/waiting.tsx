// A line of the answer's own height that says the answer is being thought about, or brought to its end.
import styles from './message.module.css';

export function Waiting({ stopping }: { stopping: boolean }) {
  if (stopping) return <p className={styles.note}>Stopping…</p>;
  return (
    <div className={styles.waiting} aria-hidden="true">
      <i />
      <i />
      <i />
    </div>
  );
}
