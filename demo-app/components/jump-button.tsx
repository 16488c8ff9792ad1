// Scrolls back to the end of the conversation.
import { DownIcon } from './icons';
import styles from './jump-button.module.css';

export function JumpButton(props: { hidden: boolean; running: boolean; onJump: () => void }) {
  return (
    <button
      type="button"
      className={styles.jump}
      hidden={props.hidden}
      data-running={props.running}
      onClick={props.onJump}
    >
      <DownIcon />
      Jump to latest
    </button>
  );
}
