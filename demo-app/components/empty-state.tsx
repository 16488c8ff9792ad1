// What a new chat says: what to ask, and how to try to break the answer.
import styles from './empty-state.module.css';
import { EndIcon, ReloadIcon, TabsIcon } from './icons';

const SUGGESTIONS = ['count to 100', 'weather in Lisbon', 'where am I', 'book a table'];

const TRIALS = [
  { icon: ReloadIcon, title: 'Reload mid-answer', text: 'It goes on at the very word it had reached.' },
  { icon: TabsIcon, title: 'Open a second tab', text: 'Copy the link: both tabs show the same words.' },
  { icon: EndIcon, title: 'Press Stop in the other tab', text: 'It ends in every tab, and at the model.' },
];

interface EmptyStateProps {
  modelName: string | undefined;
  onPick: (text: string) => void;
}

export function EmptyState({ modelName, onPick }: EmptyStateProps) {
  return (
    <section className={styles.empty}>
      <h1 className={styles.title}>Answers that outlive their connection</h1>
      <p className={styles.lead}>Ask for something long, and then try to lose it.</p>
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
            A scripted model answers. Set <code>OPENAI_API_KEY</code> for a real one.
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
