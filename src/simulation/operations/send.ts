import type { UIMessage } from 'ai';
import type { Random } from '../../test/fixtures/random.fixture.ts';
import { textOf } from '../processes/handler.ts';
import type { Operation } from './operation.ts';

/** The text of a message that asks for any answer. */
export function textFor(name: string, random: Random): string {
  return textOf(name, {
    words: random.int(0, 12),
    everyMs: random.pick([5, 40, 200, 900]),
    end: random.chance(0.1) ? random.pick(['error', 'throw']) : 'finish',
  });
}

/** A page sends a message, or two pages of the session send the same one at the same moment. */
function sending(name: string, weight: number, count: 1 | 2): Operation {
  return {
    name,
    weight,
    perform(stage, random) {
      const { awake, world } = stage;
      const page = random.pick(awake);
      if (!page) return;
      const id = stage.name('m');
      const text = textFor(id, random);
      const whenBusy =
        random.chance(0.3) && random.pick(['queue', 'interrupt', 'steer', 'reject', 'parallel'] as const);
      const message: UIMessage = { id, role: 'user', parts: [{ type: 'text', text }] };
      const how = { name: id, ...(whenBusy && { body: { whenBusy } }) };
      void page.send(message, how);
      if (count === 1) return;
      const others = awake.filter(({ sessionId }) => sessionId === page.sessionId);
      const other = random.pick(others) ?? page;
      world.after(random.int(0, 20), () => other.process.enter(() => void other.send(message, how)));
    },
  };
}

/** A page sends a message. */
export const send: Operation = sending('send', 8, 1);

/** The same message is sent twice: by two tabs, or by a second click. */
export const sendTwice: Operation = sending('send twice', 2, 2);
