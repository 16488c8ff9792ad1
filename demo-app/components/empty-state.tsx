// The page of a new chat: what to ask, and how to try to break the answer.
import styles from './empty-state.module.css';
import { EndIcon, ReloadIcon, TabsIcon } from './icons';

const SUGGESTIONS = ['count to 100', 'weather in Lisbon', 'where am I', 'book a table'];

const TRIALS = [
  { icon: ReloadIcon, title: 'Reload mid-answer', text: 'The answer continues where it was.' },
  { icon: TabsIcon, title: 'Open a second tab', text: 'Copy the link. Both tabs show the answer, live.' },
  {
    icon: EndIcon,
    title: 'Press Stop in the other tab',
    text: 'The answer ends in every tab, and the model stops.',
  },
];

interface EmptyStateProps {
  modelName: string | undefined;
  onPick: (text: string) => void;
}

export function EmptyState({ modelName, onPick }: EmptyStateProps) {
  return (
    <section className={styles.empty}>
      <h1 className={styles.title}>Answers that outlive their connection</h1>
      <p className={styles.lead}>Ask for a long answer, then try to lose it.</p>
      <ul className={styles.suggestions} aria-label="Suggestions">
        {SUGGESTIONS.map((text) => (
          <li key={text}>
            <button type="button" onClick={() => onPick(text)}>
              {text}
            </button>
          </li>
        ))}
      </ul>
      <ul className={styles.trials}>
        {TRIALS.map(({ icon: Icon, title, text }) => (
          <li key={title}>
            <Icon />
            <h2>{title}</h2>
            <p>{text}</p>
          </li>
        ))}
      </ul>
      <p className={styles.model}>
        {modelName === undefined ? (
          <>
            A scripted model answers. Set <code>OPENAI_API_KEY</code> to use a real model.
          </>
        ) : (
          <>
            <code>{modelName}</code> answers.
          </>
        )}
      </p>
    </section>
  );
}
