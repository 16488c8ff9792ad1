// The model's reasoning, collapsed.
import styles from './card.module.css';

export function Reasoning({ text, live }: { text: string; live: boolean }) {
  return (
    <details className={styles.fold}>
      <summary>{live ? 'Thinking…' : 'Thoughts'}</summary>
      <div data-testid="thoughts" className={styles.thoughts}>
        {text}
      </div>
    </details>
  );
}
