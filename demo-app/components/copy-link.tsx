// Copies the chat's address, to open it in another tab or on another device.
'use client';

import { useEffect, useState } from 'react';
import { CheckIcon, LinkIcon } from './icons';
import styles from './top-bar.module.css';

export function CopyLink() {
  const [copied, setCopied] = useState(false);

  useEffect(() => {
    if (!copied) return;
    const timer = setTimeout(() => setCopied(false), 2000);
    return () => clearTimeout(timer);
  }, [copied]);

  const copy = async () => {
    try {
      await navigator.clipboard.writeText(location.href);
      setCopied(true);
    } catch {
      // The clipboard needs a secure context, which a phone on the local network lacks, and the permission.
      window.prompt('Copy this link', location.href);
    }
  };

  return (
    <button type="button" className={styles.action} aria-label="Copy link" onClick={copy}>
      {copied ? <CheckIcon /> : <LinkIcon />}
      <span className={styles.label} aria-live="polite">
        {copied ? 'Copied' : 'Copy link'}
      </span>
    </button>
  );
}
