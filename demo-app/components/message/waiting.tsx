// A line as high as a line of text that shows that the answer is being prepared, or stopped.
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
