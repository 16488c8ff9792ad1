// What one can do with a message: quiet until one points at it or comes by with the keyboard.
import { useActions } from '../lib/actions';
import type { DemoMessage } from '../lib/chat';
import styles from './message-tools.module.css';

interface MessageToolsProps {
  message: DemoMessage;
  /** The run that waits for its turn with this message. */
  runId: string | undefined;
  /** The answer was cut short: what to do about it is not to be looked for. */
  cut: boolean;
  onEdit: () => void;
}

export function MessageTools({ message, runId, cut, onEdit }: MessageToolsProps) {
  const { regenerate, withdraw } = useActions();
  if (runId !== undefined) {
    return (
      <footer className={styles.tools} data-shown="true">
        <span className={styles.state}>Waits for its turn</span>
        <button type="button" onClick={() => withdraw(runId)}>
          Withdraw
        </button>
      </footer>
    );
  }
  // A file cannot be edited here, and would be lost.
  const editable = message.role === 'user' && message.parts.every(({ type }) => type === 'text');
  return (
    <footer className={styles.tools} data-shown={cut}>
      {editable && (
        <button type="button" onClick={onEdit}>
          Edit
        </button>
      )}
      {message.role === 'assistant' && (
        <button type="button" onClick={() => regenerate(message.id)}>
          Regenerate
        </button>
      )}
    </footer>
  );
}
