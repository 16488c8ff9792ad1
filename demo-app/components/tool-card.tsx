// A tool call: its name and where it stands, what went in and came out on demand.
import type { DynamicToolUIPart, ToolUIPart } from 'ai';
import styles from './card.module.css';

type State = ToolUIPart['state'];

const WORDS: Record<State, string> = {
  'input-streaming': 'preparing',
  'input-available': 'running',
  'approval-requested': 'waits for approval',
  'approval-responded': 'answered',
  'output-available': 'done',
  'output-error': 'failed',
  'output-denied': 'denied',
};

export function ToolCard({ name, part }: { name: string; part: ToolUIPart | DynamicToolUIPart }) {
  return (
    <details className={styles.card} data-state={part.state}>
      <summary>
        <code>{name}</code>
        <span className={styles.state}>{WORDS[part.state]}</span>
      </summary>
      <Value label="Input" value={part.input} />
      <Value label="Output" value={part.output} />
      {part.errorText !== undefined && <Value label="Error" value={part.errorText} />}
    </details>
  );
}

function Value({ label, value }: { label: string; value: unknown }) {
  if (value === undefined) return null;
  return (
    <div className={styles.value}>
      <div className={styles.caption}>{label}</div>
      <pre>{typeof value === 'string' ? value : JSON.stringify(value, null, 2)}</pre>
    </div>
  );
}
