import { describe, expect, it } from 'vitest';
import { memoryChannel } from '../../channel/memory.ts';
import type { Authorize } from '../../index.ts';
import { createSseParser } from '../../protocol/sse.ts';
import { scriptedModel } from '../../testing/scripted-model.ts';
import { createWorld, modelHandler, sendBody } from '../../test/fixtures/world.fixture.ts';

const url = 'http://durable.test/api/chat';
const used = new Response('No.', { status: 403 });
await used.text();
const locked = new Response('No.', { status: 401 });
locked.body!.getReader();
const ours = Response.json({ error: { code: 'too_many', message: 'Later.' } }, { status: 429 });
const throwing = (what: unknown) => () => {
  throw what;
};

/** What `authorize` does, the status of a request, and the code of a frame. */
const refusals: [string, () => unknown, number, string][] = [
  ['false', () => false, 403, 'forbidden'],
  ['null', () => null, 401, 'unauthorized'],
  ['nothing', () => undefined, 401, 'unauthorized'],
  ['an empty text', () => '', 403, 'forbidden'],
  ['a number', () => 1, 403, 'forbidden'],
  ['an object without a user', () => ({}), 403, 'forbidden'],
  ['an empty user id', () => ({ userId: '' }), 403, 'forbidden'],
  ['a response of another library', () => ({ status: 200, ok: true, text: () => '' }), 403, 'forbidden'],
  ['200', () => new Response('Welcome.'), 403, 'forbidden'],
  ['204', () => new Response(null, { status: 204 }), 403, 'forbidden'],
  ['302', () => Response.redirect('http://durable.test/login', 302), 302, 'forbidden'],
  ['304', () => new Response(null, { status: 304 }), 304, 'forbidden'],
  ['400', () => new Response('', { status: 400 }), 400, 'bad_request'],
  ['401', () => new Response('Sign in.', { status: 401 }), 401, 'unauthorized'],
  ['402', () => new Response('Pay.', { status: 402 }), 402, 'bad_request'],
  ['408', () => new Response('', { status: 408 }), 408, 'too_many'],
  ['425', () => new Response('', { status: 425 }), 425, 'too_many'],
  ['429', () => new Response('', { status: 429 }), 429, 'too_many'],
  ['429 with a code', () => ours, 429, 'too_many'],
  ['500', () => new Response('', { status: 500 }), 500, 'handler_failed'],
  ['503', () => new Response('', { status: 503 }), 503, 'store_failed'],
  ['599', () => new Response('', { status: 599 }), 599, 'store_failed'],
  ['Response.error()', () => Response.error(), 500, 'handler_failed'],
  ['a response whose body was read', () => used, 403, 'forbidden'],
  ['a response whose body is being read', () => locked, 401, 'unauthorized'],
  ['a thrown response', throwing(new Response('', { status: 403 })), 403, 'forbidden'],
  ['a thrown Response.error()', throwing(Response.error()), 500, 'handler_failed'],
  ['a thrown error', throwing(new Error('Secret.')), 500, 'handler_failed'],
  ['a thrown text', throwing('Secret.'), 500, 'handler_failed'],
];

/** A session `refused`, for which `authorize` decides, and another one that everybody may read. */
function open(decide: () => unknown) {
  const authorize = (({ sessionId }) => (sessionId === 'refused' ? decide() : true)) as Authorize; // any result
  return createWorld(memoryChannel(), modelHandler(scriptedModel()), { authorize });
}

describe.each(refusals)('authorize: %s', (_, decide, status, code) => {
  const requests = {
    GET: new Request(`${url}?id=refused`),
    POST: new Request(url, { method: 'POST', body: sendBody('refused', 'count to 1') }),
    DELETE: new Request(`${url}?id=refused&durable=stop`, { method: 'DELETE' }),
  };

  it('is a response with its status for each method, also the second time', async () => {
    const { routes } = open(decide);
    for (const [method, request] of Object.entries(requests)) {
      for (const again of [request.clone(), request.clone()]) {
        const response = await routes[method as keyof typeof requests](again);
        expect(response.status, method).toBe(status);
        expect(response.headers.get('x-durable-chat')).toBe('2');
        expect(await response.text()).not.toContain('Secret');
      }
    }
  });

  it('is a frame with its code where other sessions go on', async () => {
    const { routes } = open(decide);
    const response = await routes.GET(new Request(`${url}?id=allowed&id=refused`));
    expect(response.status).toBe(200);
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
    const frames: { type: string; sessionId: string; error?: { code: string } }[] = [];
    const feed = createSseParser(({ data }) => frames.push(JSON.parse(data)));
    while (!frames.some(({ type }) => type === 'refused')) feed((await reader.read()).value ?? '');
    await reader.cancel();
    expect(frames.find(({ type }) => type === 'refused')).toMatchObject({
      sessionId: 'refused',
      error: { code },
    });
  });
});
