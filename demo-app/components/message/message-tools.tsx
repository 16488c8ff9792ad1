// The actions on a message. They appear on hover and on keyboard focus.
import { useActions } from '../../lib/actions';
import type { DemoMessage } from '../../lib/chat';
import styles from './message-tools.module.css';

interface MessageToolsProps {
  message: DemoMessage;
  /** The run that waits for its turn with this message. */
  runId: string | undefined;
  /** The server refused the message. */
  refused: boolean;
  /** The answer was interrupted: its actions are always visible. */
  interrupted: boolean;
  onEdit: () => void;
}

export function MessageTools({ message, runId, refused, interrupted, onEdit }: MessageToolsProps) {
  const { regenerate, remove, sendAgain, withdraw } = useActions();
  if (runId !== undefined) {
    return (
      <footer className={styles.tools} data-shown="true">
        <span className={styles.state}>Waiting for its turn</span>
        <button type="button" onClick={() => withdraw(runId)}>
          Withdraw
        </button>
      </footer>
    );
  }
  if (refused) {
    return (
      <footer className={styles.tools} data-shown="true">
        <span className={styles.state} data-failed="true">
          Not sent
        </span>
        <button type="button" onClick={() => sendAgain(message)}>
          Send again
        </button>
        <button type="button" onClick={() => remove(message.id)}>
          Remove
        </button>
      </footer>
    );
  }
  // The editor edits only text: a message with a file would lose the file.
  const editable = message.role === 'user' && message.parts.every(({ type }) => type === 'text');
  return (
    <footer className={styles.tools} data-shown={interrupted}>
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
