// The text box for a new message. The textarea is uncontrolled: text typed before the page hydrates is kept.
'use client';

import { useEffect, useRef, useState, useSyncExternalStore } from 'react';
import type { KeyboardEvent, SubmitEvent } from 'react';
import { grow, isSubmit } from '../lib/text-box';
import styles from './composer.module.css';
import { SendIcon, StopIcon } from './icons';

export interface ComposerProps {
  running: boolean;
  /** A message waits for the network. */
  unsent: boolean;
  /** During an answer, `interrupt` stops it, `steer` adds the message to it, and without `how` the message waits. */
  onSend: (text: string, how?: 'interrupt' | 'steer') => void;
  onStop: () => void;
}

export function Composer({ running, unsent, onSend, onStop }: ComposerProps) {
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
    // Reads the text that was typed before the listener existed.
    box.current?.dispatchEvent(new Event('input', { bubbles: true }));
    // On a touch screen focus would raise the keyboard over the conversation.
    if (hasKeyboard()) box.current?.focus();
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
  const stop = () => {
    onStop();
    // The button disappears with the answer.
    if (hasKeyboard()) box.current?.focus();
  };
  const sendAs = (how: 'interrupt' | 'steer') => {
    take(how);
    // The buttons disappear with the text, so focus moves to the box.
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
          <button type="button" className={styles.button} aria-label="Stop" data-stop onClick={stop}>
            <StopIcon />
          </button>
        )}
        {/* aria-disabled and not disabled: focus stays on the button after a send. */}
        <button type="submit" className={styles.button} aria-label="Send" aria-disabled={empty}>
          <SendIcon />
        </button>
      </div>
      <div className={styles.below}>
        <p id="composer-hint" className={styles.hint} data-keys={!running}>
          {hint({ running, unsent, empty })}
        </p>
        {running && !empty && (
          <>
            <button
              type="button"
              className={styles.now}
              title="Add this message to the running answer"
              onClick={() => sendAs('steer')}
            >
              Steer
            </button>
            <button
              type="button"
              className={styles.now}
              title="Stop the running answer and send this message"
              onClick={() => sendAs('interrupt')}
            >
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

function hasKeyboard(): boolean {
  return matchMedia('(pointer: fine)').matches;
}

function hint({ running, unsent, empty }: Record<'running' | 'unsent' | 'empty', boolean>): string {
  if (!running) return 'Enter to send · Shift+Enter for a new line';
  if (!empty) return 'Sends after this answer';
  return unsent
    ? 'Sends when the network is back: keep this tab open'
    : 'Reload or close the tab: the answer continues';
}
