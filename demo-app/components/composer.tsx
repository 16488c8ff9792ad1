// Where one writes. The textarea is uncontrolled: what was typed before the page came alive is kept.
'use client';

import { useEffect, useRef, useState, useSyncExternalStore } from 'react';
import type { KeyboardEvent, SubmitEvent } from 'react';
import { grow, isSubmit } from '../lib/text-box';
import styles from './composer.module.css';
import { SendIcon, StopIcon } from './icons';

export interface ComposerProps {
  running: boolean;
  /** While something is being written: stop that for it, hand it to that, or (without `how`) wait for a turn. */
  onSend: (text: string, how?: 'interrupt' | 'steer') => void;
  onStop: () => void;
}

export function Composer({ running, onSend, onStop }: ComposerProps) {
  const box = useRef<HTMLTextAreaElement>(null);
  const ready = useSyncExternalStore(
    never,
    () => true,
    () => false,
  );
  const [empty, setEmpty] = useState(true);

  const sync = () => {
    if (!box.current) return;
    grow(box.current);
    setEmpty(box.current.value.trim() === '');
  };

  useEffect(() => {
    // What was typed before there was a listener.
    box.current?.dispatchEvent(new Event('input', { bubbles: true }));
    // On a touch screen focus would raise the keyboard over the conversation.
    if (matchMedia('(pointer: fine)').matches) box.current?.focus();
  }, []);

  const take = (how?: 'interrupt' | 'steer') => {
    const text = box.current?.value.trim();
    if (!box.current || !text) return;
    box.current.value = '';
    sync();
    onSend(text, how);
  };
  const submit = (event: SubmitEvent | KeyboardEvent) => {
    event.preventDefault();
    take();
  };
  const sendAs = (how: 'interrupt' | 'steer') => {
    take(how);
    // The button goes away with the text.
    box.current?.focus();
  };

  return (
    <form className={styles.composer} data-ready={ready} onSubmit={submit}>
      <div className={styles.field}>
        <textarea
          ref={box}
          className={styles.box}
          aria-label="Message"
          aria-describedby="composer-hint"
          placeholder="Ask something long…"
          rows={1}
          enterKeyHint="send"
          autoComplete="off"
          onInput={sync}
          onKeyDown={(event) => isSubmit(event) && submit(event)}
        />
        {running && (
          <button type="button" className={styles.button} aria-label="Stop" data-stop onClick={onStop}>
            <StopIcon />
          </button>
        )}
        {/* Disabled only in name, so that focus stays on it when it has sent. */}
        <button type="submit" className={styles.button} aria-label="Send" aria-disabled={empty}>
          <SendIcon />
        </button>
      </div>
      <div className={styles.below}>
        <p id="composer-hint" className={styles.hint} data-keys={!running}>
          {hint(running, empty)}
        </p>
        {running && !empty && (
          <>
            <button type="button" className={styles.now} onClick={() => sendAs('steer')}>
              Steer
            </button>
            <button type="button" className={styles.now} onClick={() => sendAs('interrupt')}>
              Send now
            </button>
          </>
        )}
      </div>
    </form>
  );
}

/** Nothing to subscribe to: the value differs only between the server's render and the live page. */
const never = () => () => {};

function hint(running: boolean, empty: boolean): string {
  if (!running) return 'Enter to send · Shift+Enter for a new line';
  return empty ? 'Reload or close the tab: the answer goes on' : 'Enter sends it after this answer';
}
