// Compares the bytes that a single tab receives for one answer with those that plain `useChat` receives.
import { AbstractChat, DefaultChatTransport } from 'ai';
import { bindChat } from '../../dist/client.js';
import { startChat } from './server.mjs';

const question = 'count to 1000 at 250/s';

export async function benchBytes() {
  const server = await startChat({ chunksPerSecond: 250 });
  const plain = await measure((fetch) => {
    const transport = new DefaultChatTransport({ api: `${server.url}/plain`, fetch });
    return { chat: new PlainChat({ id: 'bytes', transport }), connected: async () => {}, close: () => {} };
  });
  const durable = await measure((fetch) => {
    const init = { id: 'bytes', api: `${server.url}/durable`, fetch };
    const { chat, session, connect } = bindChat(
      () => init,
      (options) => new PlainChat(options),
    );
    const close = connect();
    const connected = () =>
      new Promise((resolve) => {
        const check = () => session.getSnapshot().connection === 'connected' && resolve();
        session.subscribe(check);
        check();
      });
    return { chat, connected, close };
  });
  await server.close();
  return [
    {
      what: `bytes that a tab alone receives for an answer of 1,000 chunks, beside plain useChat's`,
      budget: '≤ 1.2 ×',
      measured: `${(durable / plain).toFixed(2)} × (durable ${durable}, plain ${plain})`,
      ok: durable <= 1.2 * plain,
    },
  ];
}

/** The bytes of all responses to a chat's requests, from before it connects until its answer is complete. */
async function measure(open) {
  let bytes = 0;
  const counting = async (...request) => {
    const response = await fetch(...request);
    const counter = new TransformStream({
      transform(part, controller) {
        bytes += part.byteLength;
        controller.enqueue(part);
      },
    });
    return new Response(response.body?.pipeThrough(counter), response);
  };
  const { chat, connected, close } = open(counting);
  await connected();
  await chat.sendMessage({ text: question });
  // The end of the run comes on the subscription a moment later.
  await new Promise((resolve) => setTimeout(resolve, 500));
  close();
  if (!textOf(chat.messages[1]).endsWith(' 1000')) throw new Error('The answer is not whole.');
  return bytes;
}

function textOf(message) {
  return message.parts.flatMap((part) => (part.type === 'text' ? part.text : [])).join('');
}

class PlainState {
  status = 'ready';
  error = undefined;
  messages = [];
  pushMessage = (message) => void (this.messages = [...this.messages, message]);
  popMessage = () => void (this.messages = this.messages.slice(0, -1));
  replaceMessage = (index, message) =>
    void (this.messages = this.messages.with(index, structuredClone(message)));
  snapshot = (value) => structuredClone(value);
}

class PlainChat extends AbstractChat {
  constructor(init) {
    super({ ...init, state: new PlainState() });
  }
}
