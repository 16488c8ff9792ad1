// The way back down for a reader who scrolled up.
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
