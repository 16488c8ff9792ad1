// A chat over real HTTP on a store of its own: the durable route, and the same handler without it.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import { convertToModelMessages, createUIMessageStreamResponse, streamText, toUIMessageStream } from 'ai';
import { createDurableChat } from '../../dist/index.js';
import { scriptedModel, startUpstashServer } from '../../dist/testing.js';
import { upstashChannel } from '../../dist/upstash.js';

/** `model` are the scripted model's options; `onCall` runs when the handler is called. */
export async function startChat({ onCall = () => {}, store: given, ...model } = {}) {
  const store = given ?? (await startUpstashServer());
  const chat = createDurableChat({
    channel: upstashChannel({ url: store.url, token: store.token }),
    authorize: () => true,
    // A benchmark stops the store on purpose, so these errors are expected.
    onError: () => {},
  });
  const handler = async (request) => {
    onCall();
    const { messages } = await request.json();
    const result = streamText({
      model: scriptedModel(model),
      messages: await convertToModelMessages(messages),
      abortSignal: request.signal,
    });
    return createUIMessageStreamResponse({ stream: toUIMessageStream({ stream: result.stream }) });
  };
  const routes = { '/durable': chat.route(handler), '/plain': { POST: handler } };
  const server = createServer((incoming, outgoing) => {
    const url = new URL(`http://${incoming.headers.host}${incoming.url}`);
    void respond(routes[url.pathname], url, incoming, outgoing);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${server.address().port}`;

  return {
    url,
    store,
    session: chat.session,
    send: (path, session, text) =>
      fetch(url + path, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: body(session, text),
      }),
    async close() {
      server.close();
      server.closeAllConnections();
      // Ended in order: the Redis client reports every subscription that is cut off.
      store.faults?.dropSubscriptions('end');
      await store.close();
    },
  };
}

/** A store in its own process, so that its work is not measured. It has neither counters nor faults. */
export async function startRemoteStore() {
  const cli = resolve(import.meta.dirname, '../../dist/cli.js');
  const child = spawn(process.execPath, [cli, 'upstash'], { stdio: ['ignore', 'pipe', 'ignore'] });
  const found = {};
  for await (const line of createInterface({ input: child.stdout })) {
    const [, name, value] = /^UPSTASH_REDIS_REST_(URL|TOKEN)=(.+)$/.exec(line) ?? [];
    if (name) found[name.toLowerCase()] = value;
    if (found.url && found.token) break;
  }
  // Not before: the Redis client reports every subscription that is cut off.
  process.once('exit', () => child.kill('SIGTERM'));
  return { ...found, close: async () => {} };
}

async function respond(route, url, incoming, outgoing) {
  const { method } = incoming;
  const request = new Request(url, {
    method,
    headers: incoming.headers,
    ...(method === 'POST' && { body: Readable.toWeb(incoming), duplex: 'half' }),
  });
  const response = await route[method](request);
  outgoing.writeHead(response.status, Object.fromEntries(response.headers));
  outgoing.flushHeaders();
  const reader = response.body.getReader();
  outgoing.once('close', () => reader.cancel().catch(() => {}));
  for (;;) {
    const { done, value } = await reader.read().catch(() => ({ done: true }));
    if (done) break;
    outgoing.write(value);
  }
  outgoing.end();
}

function body(session, text) {
  const message = { id: crypto.randomUUID(), role: 'user', parts: [{ type: 'text', text }] };
  return JSON.stringify({ id: session, trigger: 'submit-message', messages: [message] });
}

/** The text of a response as it comes in, up to and with the first match of `until`. */
export async function readUntil(response, until) {
  const decoder = new TextDecoder();
  let text = '';
  for await (const bytes of response.body) {
    text += decoder.decode(bytes, { stream: true });
    if (until?.test(text)) break;
  }
  return text;
}
