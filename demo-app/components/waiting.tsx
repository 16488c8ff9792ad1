// A line of the answer's own height that says the answer is being thought about.
import styles from './message.module.css';

export function Waiting() {
  return (
    <div className={styles.waiting} aria-hidden="true">
      <i />
      <i />
      <i />
    </div>
  );
}
