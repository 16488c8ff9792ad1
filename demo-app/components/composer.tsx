// Where one writes. The textarea is uncontrolled: what was typed before the page came alive is kept.
'use client';

import { useEffect, useRef, useState, useSyncExternalStore } from 'react';
import type { KeyboardEvent, MouseEvent, SubmitEvent } from 'react';
import styles from './composer.module.css';
import { SendIcon, StopIcon } from './icons';

export interface ComposerProps {
  running: boolean;
  onSend: (text: string) => void;
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

  const submit = (event: SubmitEvent | KeyboardEvent) => {
    event.preventDefault();
    const text = box.current?.value.trim();
    if (running || !box.current || !text) return;
    box.current.value = '';
    sync();
    onSend(text);
  };

  const onKeyDown = (event: KeyboardEvent) => {
    // Enter that picks a word in an input method is not a send; 229 is how some browsers say it.
    const composing = event.nativeEvent.isComposing || event.keyCode === 229;
    if (event.key === 'Enter' && !event.shiftKey && !composing) submit(event);
  };

  const onClick = (event: MouseEvent) => {
    if (!running) return;
    // By the time the browser acts on this click, the button may be Send again.
    event.preventDefault();
    // The second half of a double click on Send must not stop what the first half sent.
    if (event.detail < 2) onStop();
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
          onKeyDown={onKeyDown}
        />
        {/* One element for both, so that focus stays where it is when they trade places. */}
        <button
          type={running ? 'button' : 'submit'}
          className={styles.button}
          aria-label={running ? 'Stop' : 'Send'}
          disabled={!running && empty}
          data-running={running}
          onClick={onClick}
        >
          {running ? <StopIcon /> : <SendIcon />}
        </button>
      </div>
      <p id="composer-hint" className={styles.hint} data-keys={!running}>
        {hint(running, empty)}
      </p>
    </form>
  );
}

/** Nothing to subscribe to: the value differs only between the server's render and the live page. */
const never = () => () => {};

function hint(running: boolean, empty: boolean): string {
  if (!running) return 'Enter to send · Shift+Enter for a new line';
  return empty
    ? 'Reload or close the tab: the answer goes on'
    : 'Your draft can be sent once this answer is done';
}

function grow(box: HTMLTextAreaElement): void {
  box.style.height = 'auto';
  box.style.height = `${box.scrollHeight}px`;
}
