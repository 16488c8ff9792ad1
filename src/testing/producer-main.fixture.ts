// A server process that a test can kill and freeze: durable routes over node:http, on the store that the
// environment names. It ends with the process that started it.

import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { convertToModelMessages, isStepCount, streamText, tool, type UIMessage } from 'ai';
import { z } from 'zod';
import { createDurableChat } from '../index.ts';
import { upstashChannel } from '../channel/upstash.ts';
import type { Routes } from '../server/route.ts';
import { scriptedModel } from './scripted-model.ts';
import { defaultScript, type Script } from './scripted-script.ts';

const { STORE_URL: url = '', STORE_TOKEN: token = '', LEASE_MS = '', PORT = '0' } = process.env;

/** `say nothing` gets no word; anything else what the scripted model says to it. */
const script: Script = (call) => (call.text === 'say nothing' ? silence(call.signal) : defaultScript(call));

// oxlint-disable-next-line require-yield -- a model that never says a word
async function* silence(signal: AbortSignal | undefined): AsyncGenerator<never> {
  await sleep(600_000, undefined, { ...(signal && { signal }) });
}

const model = scriptedModel({ script, chunksPerSecond: 50 });
const toolCalls: { text: string; aborted: boolean; finished: boolean }[] = [];
const weather = tool({
  inputSchema: z.object({ city: z.string() }),
  execute: async ({ city }, { abortSignal }) => {
    const call = { text: city, aborted: false, finished: false };
    toolCalls.push(call);
    abortSignal?.addEventListener('abort', () => (call.aborted = true));
    await sleep(600_000, undefined, { ...(abortSignal && { signal: abortSignal }) });
    return { city };
  },
});

const durable = createDurableChat({
  channel: upstashChannel({ url, token }),
  leaseMs: Number(LEASE_MS),
  onError: (error) => console.error(error),
});
const routes = durable.route(async (request) => {
  const { messages } = (await request.json()) as { messages: UIMessage[] };
  return streamText({
    model,
    messages: await convertToModelMessages(messages),
    tools: { weather },
    stopWhen: isStepCount(3),
    abortSignal: request.signal,
  });
});

async function respond(request: IncomingMessage): Promise<Response> {
  if (request.url === '/calls') {
    const calls = model.calls.map(({ text, aborted, finished }) => ({ text, aborted, finished }));
    return Response.json([...calls, ...toolCalls]);
  }
  const chunks = await request.toArray();
  const { method = 'GET' } = request;
  return routes[method as keyof Routes](
    new Request(`http://producer.test${request.url}`, {
      method,
      headers: request.headers as Record<string, string>, // no header of these clients comes twice
      ...(chunks.length > 0 && { body: Buffer.concat(chunks as Buffer[]) }),
    }),
  );
}

const server = createServer((request, response) => {
  void respond(request)
    .then(async ({ status, headers, body }) => {
      response.writeHead(status, Object.fromEntries(headers));
      await (body ? pipeline(Readable.fromWeb(body as never), response) : response.end());
    })
    .catch(() => response.destroy()); // the viewer has left
});
server.listen(Number(PORT), '127.0.0.1', () => {
  const { port } = server.address() as AddressInfo; // a TCP server's address is never a path
  console.log(`listening on ${port}`);
});
process.stdin.once('end', () => process.exit()).resume();
