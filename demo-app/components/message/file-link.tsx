// A file in a message, as a link to it.
import { safeUrl } from '../../lib/safe-url';
import styles from './card.module.css';
import { FileIcon } from '../icons';

export function FileLink({ url, name }: { url: string; name: string }) {
  return (
    <a className={styles.chip} href={safeUrl(url)} download={name} target="_blank" rel="noreferrer">
      <FileIcon />
      <span>{name}</span>
    </a>
  );
}
