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

/** A page sends a message. */
export const send: Operation = {
  name: 'send',
  weight: 8,
  perform(stage, random) {
    const page = random.pick(stage.awake);
    if (!page) return;
    const name = stage.name('m');
    const text = textFor(name, random);
    const whenBusy = random.chance(0.3) && random.pick(['queue', 'interrupt', 'steer', 'reject', 'parallel']);
    void page.send(
      { id: name, role: 'user', parts: [{ type: 'text', text }] },
      whenBusy ? { whenBusy } : undefined,
    );
  },
};
