// The messages in order, and an indicator between a question and the first part of its answer.
import type { Item } from '../../lib/items';
import { Message } from './message';
import styles from './message.module.css';
import { Waiting } from './waiting';

export function MessageList({ items, running }: { items: Item[]; running: boolean }) {
  return (
    <div className={styles.list} aria-busy={running}>
      {items.map((item) => {
        if (item.type === 'pending')
          return <Waiting key={item.key} stopping={item.standing === 'stopping'} />;
        const { type: _, ...props } = item;
        return <Message key={item.message.id} {...props} />;
      })}
    </div>
  );
}
