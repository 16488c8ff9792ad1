// A tool call: its title and state, its input and output on demand, and the question if it needs an approval.
import { getToolName, type DynamicToolUIPart, type ToolUIPart } from 'ai';
import { useState, type MouseEvent } from 'react';
import { useActions } from '../../lib/actions';
import { AlertIcon, CheckIcon, CloseIcon } from '../icons';
import styles from './tool-card.module.css';

type AnyToolPart = ToolUIPart | DynamicToolUIPart;
type Stage = 'running' | 'waiting' | 'done' | 'failed';

const STATES: Record<AnyToolPart['state'], readonly [Stage, string]> = {
  'input-streaming': ['running', 'preparing'],
  'input-available': ['running', 'running'],
  'approval-requested': ['waiting', 'waiting for you'],
  'approval-responded': ['running', 'answered'],
  'output-available': ['done', 'done'],
  'output-error': ['failed', 'failed'],
  'output-denied': ['failed', 'denied'],
};

const ICONS = {
  running: () => <i className={styles.ring} aria-hidden="true" />,
  waiting: AlertIcon,
  done: CheckIcon,
  failed: CloseIcon,
} satisfies Record<Stage, unknown>;

export function ToolCard({ part, answerable }: { part: AnyToolPart; answerable: boolean }) {
  // A call that the conversation went past is denied without a run that says so.
  const denied = part.state === 'approval-responded' && !part.approval.approved;
  const [stage, label] = STATES[denied ? 'output-denied' : part.state];
  const Icon = ICONS[stage];
  const asks = part.state === 'approval-requested';
  return (
    <section className={styles.card} aria-label={`Tool ${getToolName(part)}`} data-stage={stage}>
      <details>
        <summary>
          <span className={styles.title}>{titleOf(part)}</span>
          <span className={styles.state}>
            {asks && !answerable ? 'not answered' : label}
            <Icon />
          </span>
        </summary>
        <Value label="Tool" value={getToolName(part)} />
        <Value label="Input" value={part.input} />
        <Value label="Output" value={part.output} />
        {part.errorText !== undefined && <Value label="Error" value={part.errorText} />}
      </details>
      {asks && answerable && <Question approvalId={part.approval.id} />}
    </section>
  );
}

function Question({ approvalId }: { approvalId: string }) {
  const { answer } = useActions();
  const [answering, setAnswering] = useState(false);
  const say = (approved: boolean, { currentTarget }: MouseEvent) => {
    // The buttons disappear, so focus moves to the call.
    currentTarget.closest('section')?.querySelector('summary')?.focus();
    setAnswering(true);
    void answer(approvalId, approved).finally(() => setAnswering(false));
  };
  return (
    <div className={styles.question}>
      <p>Allow this tool call?</p>
      <button
        type="button"
        className={styles.deny}
        disabled={answering}
        onClick={(event) => say(false, event)}
      >
        Deny
      </button>
      <button
        type="button"
        className={styles.approve}
        disabled={answering}
        onClick={(event) => say(true, event)}
      >
        Approve
      </button>
    </div>
  );
}

function Value({ label, value }: { label: string; value: unknown }) {
  if (value === undefined) return null;
  return (
    <div className={styles.value}>
      <div className={styles.caption}>{label}</div>
      <pre>{typeof value === 'string' ? value : JSON.stringify(value, null, 2)}</pre>
    </div>
  );
}

/** The call's title. The input streams in, so any of its fields may be missing. */
function titleOf(part: AnyToolPart): string {
  const { city, guests, at } = (part.input ?? {}) as Record<string, unknown>;
  switch (part.type) {
    case 'tool-weather':
      return typeof city === 'string' ? `Weather in ${city}` : 'Weather';
    case 'tool-location':
      return 'Your location';
    case 'tool-book':
      return typeof guests === 'number' && typeof at === 'string'
        ? `Book a table for ${guests} at ${at}`
        : 'Book a table';
    default:
      return part.title ?? getToolName(part);
  }
}
