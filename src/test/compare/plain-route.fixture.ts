// A scenario on a route that is not durable.

import { network, type Hook, type Options } from '../fixtures/hooks.fixture.tsx';
import { record, type Trace } from './record.fixture.tsx';
import { text, type Played } from './played.fixture.ts';
import { createScript, turns, type Script } from './script.fixture.ts';

/** A plain route. `asked` answers the request that asks whether the route has sessions. */
export async function onPlainRoute(
  hook: Hook,
  scenario: Played,
  {
    asked,
    options,
  }: { asked?: () => Promise<Response>; options?: (fetch: Options['fetch']) => Options } = {},
): Promise<Trace> {
  const script = createScript();
  const route = network({
    POST: answers(scenario, script),
    GET: async (request) => {
      if (isQuestion(request)) return (await asked?.()) ?? new Response(null, { status: 405 });
      return scenario.stream?.(script) ?? new Response(null, { status: 204 });
    },
  });
  return record(scenario, {
    hook,
    network: route,
    turn: () => turns(20),
    go: script.go,
    counts: (request) => !isQuestion(request),
    ...(options && { options: options(route.fetch) }),
  });
}

function isQuestion({ method, url }: { readonly method: string; readonly url: string }): boolean {
  return method === 'GET' && new URL(url, 'http://plain.test').searchParams.has('id');
}

/** The scenario's answers, one per call, each after a moment. */
export function answers(scenario: Played, script: Script): () => Promise<Response> {
  let nth = 0;
  return async () => {
    await turns();
    return scenario.post ? scenario.post(script, nth++) : script.reply(text(`answer ${++nth}`));
  };
}
