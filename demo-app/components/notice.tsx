// An error: what happened, and what the reader can do.
import { CloseIcon } from './icons';
import styles from './notice.module.css';

export interface NoticeProps {
  title: string;
  detail: string;
  onRetry?: () => void;
  onDismiss: () => void;
}

export function Notice({ title, detail, onRetry, onDismiss }: NoticeProps) {
  return (
    <div role="alert" className={styles.notice}>
      <div className={styles.words}>
        <strong>{title}</strong>
        <p>{detail}</p>
      </div>
      {onRetry && (
        <button type="button" className={styles.retry} onClick={onRetry}>
          Try again
        </button>
      )}
      <button type="button" className={styles.dismiss} aria-label="Dismiss" onClick={onDismiss}>
        <CloseIcon />
      </button>
    </div>
  );
}
