import { textOf } from '../processes/handler.ts';
import type { Operation } from './operation.ts';

export const send: Operation = {
  name: 'send',
  weight: 8,
  perform(stage, random) {
    const page = random.pick(stage.awake);
    if (!page) return;
    const name = stage.name('m');
    const text = textOf(name, {
      words: random.int(0, 12),
      everyMs: random.pick([5, 40, 200, 900]),
      end: random.chance(0.1) ? random.pick(['error', 'throw']) : 'finish',
    });
    const whenBusy = random.chance(0.3) && random.pick(['queue', 'interrupt', 'steer', 'reject', 'parallel']);
    stage.evidence.ask(name);
    void page.send(
      { id: name, role: 'user', parts: [{ type: 'text', text }] },
      whenBusy ? { whenBusy } : undefined,
    );
  },
};
