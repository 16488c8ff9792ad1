// The app's handler of the tier `core`: a stream of chunks that the message itself describes, so that a check knows what
// each run had to say.

import { convertToModelMessages, type UIMessage, type UIMessageChunk } from 'ai';
import type { WhenBusy } from '../../server/options.ts';
import type { Handler } from '../../server/handler.ts';
import { sleep } from '../../lib/time.ts';
import type { Process } from '../world/process.ts';
import type { Evidence } from '../checks/evidence.ts';

/** How a message asks to be answered: `words` deltas, one every `everyMs`, and an end. */
export interface Script {
  readonly words: number;
  readonly everyMs: number;
  readonly end: 'finish' | 'error' | 'throw';
}

/** The text of a message that asks for this. */
export function textOf(name: string, script: Script): string {
  return `${name} ${JSON.stringify(script)}`;
}

/** What a message asks for. */
export function scriptOf(text: string): Script {
  const at = text.indexOf('{');
  if (at === -1) return { words: 1, everyMs: 1, end: 'finish' };
  return JSON.parse(text.slice(at)) as Script; // made by `textOf`
}

/** The app's handler in this process. */
export function scriptedHandler(process: Process, evidence: Evidence): Handler {
  return async (request, { run }) => {
    const { id, messages, send, whenBusy } = (await request.json()) as {
      id: string;
      messages: UIMessage[];
      send?: string;
      whenBusy?: WhenBusy;
    }; // of `Page.post`
    const call = evidence.begin(
      { runId: run.id, sessionId: id, send, isParallel: whenBusy === 'parallel' },
      process,
      messages,
    );
    await convertToModelMessages(messages).catch((error: unknown) =>
      evidence.violation('G11', `the history of run ${run.id} does not convert: ${String(error)}`),
    );
    const { signal } = request;
    signal.addEventListener('abort', () => evidence.aborted(run.id));
    const asked = messages.findLast(({ role }) => role === 'user');
    const text = asked?.parts.map((part) => (part.type === 'text' ? part.text : '')).join('') ?? '';
    const script = scriptOf(text);
    if (script.end === 'throw') {
      call.isOver = true;
      throw new Error('The handler fails.');
    }
    return new ReadableStream<UIMessageChunk>({
      async start(controller) {
        const emit = (chunk: UIMessageChunk) => {
          call.said.push(chunk);
          controller.enqueue(chunk);
        };
        emit({ type: 'start' });
        emit({ type: 'text-start', id: '0' });
        for (let word = 0; word < script.words; word++) {
          if (signal.aborted) break;
          emit({ type: 'text-delta', id: '0', delta: `${word} ` });
          await sleep(process.runtime, script.everyMs);
        }
        if (signal.aborted) return controller.close();
        if (script.end === 'error') emit({ type: 'error', errorText: 'The model failed.' });
        else {
          emit({ type: 'text-end', id: '0' });
          emit({ type: 'finish' });
        }
        call.isOver = true;
        controller.close();
      },
    });
  };
}
