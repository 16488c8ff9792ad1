// The form that edits one of the user's own messages in place.
'use client';

import { useLayoutEffect, useRef, useState, type KeyboardEvent, type SubmitEvent } from 'react';
import { grow, isSubmit } from '../../lib/text-box';
import styles from './editor.module.css';

interface EditorProps {
  text: string;
  onSave: (text: string) => void;
  onCancel: () => void;
}

export function Editor({ text, onSave, onCancel }: EditorProps) {
  const box = useRef<HTMLTextAreaElement>(null);
  const [empty, setEmpty] = useState(false);

  useLayoutEffect(() => {
    if (!box.current) return;
    grow(box.current);
    box.current.focus();
    box.current.setSelectionRange(box.current.value.length, box.current.value.length);
  }, []);

  const save = (event: SubmitEvent | KeyboardEvent) => {
    event.preventDefault();
    const written = box.current?.value.trim();
    if (written) onSave(written);
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === 'Escape') onCancel();
    else if (isSubmit(event)) save(event);
  };

  return (
    <form className={styles.editor} onSubmit={save}>
      <textarea
        ref={box}
        className={styles.box}
        aria-label="Your text"
        defaultValue={text}
        rows={1}
        enterKeyHint="send"
        autoComplete="off"
        onInput={({ currentTarget }) => {
          grow(currentTarget);
          setEmpty(currentTarget.value.trim() === '');
        }}
        onKeyDown={onKeyDown}
      />
      <div className={styles.buttons}>
        <button type="button" className={styles.cancel} onClick={onCancel}>
          Cancel
        </button>
        <button type="submit" className={styles.save} disabled={empty}>
          Save
        </button>
      </div>
    </form>
  );
}
