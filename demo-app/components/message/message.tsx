// One message. It renders again only when its own object or standing changes, so a chunk does not render the history.
import { isToolUIPart } from 'ai';
import { memo, useRef, useState } from 'react';
import { flushSync } from 'react-dom';
import { useActions } from '../../lib/actions';
import type { DemoMessage } from '../../lib/chat';
import { isInterruption, type Ending, type MessageItem } from '../../lib/items';
import { Editor } from './editor';
import styles from './message.module.css';
import { MessageTools } from './message-tools';
import { Part } from './part';
import { Sources } from './sources';
import { Waiting } from './waiting';

const ENDINGS: Record<Ending, string> = {
  stopped: 'Stopped',
  replaced: 'Stopped by the next message',
  missed: 'Too late to steer the answer above',
  ended: 'Interrupted: the server process ended',
  deadline: 'Interrupted: the server function reached its time limit',
  store: 'Interrupted: the store failed',
  too_large: 'Interrupted: a part of the answer is too large to be stored',
};

export const Message = memo(function Message(props: Omit<MessageItem, 'type'>) {
  const { message, standing, runId, ending, last, unsaved } = props;
  const { edit } = useActions();
  const [editing, setEditing] = useState(false);
  const article = useRef<HTMLElement>(null);
  const closeEditor = () => {
    flushSync(() => setEditing(false));
    // Focus returns to the button that opened the editor.
    article.current?.querySelector<HTMLElement>('footer button')?.focus();
  };
  const end = message.parts.at(-1);
  const live = standing === 'writing' || standing === 'stopping';
  const writing = standing === 'writing' && end?.type === 'text' && end.text !== '';
  const yours = message.role === 'user';

  return (
    <article
      ref={article}
      className={styles.message}
      aria-label={yours ? 'You' : 'Assistant'}
      data-role={message.role}
      data-standing={standing}
      data-writing={writing}
      data-editing={editing}
    >
      {editing ? (
        <Editor
          text={textOf(message)}
          onSave={(text) => {
            closeEditor();
            edit(message.id, text);
          }}
          onCancel={closeEditor}
        />
      ) : (
        message.parts.map((part, index) => (
          <Part
            // oxlint-disable-next-line react/no-array-index-key -- parts have no id, and only ever grow at the end
            key={index}
            part={part}
            live={live && part === end}
            answerable={last && !live}
          />
        ))
      )}
      <Sources parts={message.parts} />
      {live && (standing === 'stopping' || !showsLife(end)) && <Waiting stopping={standing === 'stopping'} />}
      {live && unsaved && <p className={styles.note}>Not saved yet: the store does not answer</p>}
      {standing === 'unsent' && <p className={styles.note}>Waiting for the network</p>}
      {ending !== undefined && <p className={styles.note}>{ENDINGS[ending]}</p>}
      {!live && !editing && standing !== 'unsent' && (
        <MessageTools
          message={message}
          runId={runId}
          refused={standing === 'refused'}
          interrupted={ending !== undefined && isInterruption(ending)}
          onEdit={() => setEditing(true)}
        />
      )}
    </article>
  );
});

function textOf({ parts }: DemoMessage): string {
  return parts.map((part) => (part.type === 'text' ? part.text : '')).join('');
}

/** Whether the part itself shows that it is still being written. */
function showsLife(part: DemoMessage['parts'][number] | undefined): boolean {
  if (part === undefined) return false;
  if (isToolUIPart(part)) return part.state === 'input-streaming' || part.state === 'input-available';
  return (part.type === 'text' || part.type === 'reasoning') && part.text !== '' && part.state !== 'done';
}
