// Server instances on one store, and clients whose requests each go to any of them, as through a load balancer
// without sticky sessions. An instance can die, and freeze.

import {
  convertToModelMessages,
  isStepCount,
  streamText,
  tool,
  type UIMessage,
  type UIMessageChunk,
} from 'ai';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import type { Channel } from '../../channel/channel.ts';
import { upstashChannel } from '../../channel/upstash/channel.ts';
import type { Handler, SessionHandle } from '../../index.ts';
import { leaseMs } from './chaos-schedule.fixture.ts';
import { createChaos, type Chaos } from '../../testing/chaos.ts';
import type { Random } from '../fixtures/random.fixture.ts';
import { textOf } from '../fixtures/tab.fixture.ts';
import { scriptedModel } from '../../testing/scripted-model.ts';
import type { UpstashServer } from '../../testing/upstash-server.ts';
import { createClient, createWorld, type Client, type World } from '../fixtures/world.fixture.ts';

interface Instance {
  readonly world: World;
  readonly chaos: Chaos;
  /** All connections of the instance. */
  readonly uplink: Client;
}

export interface Cluster {
  /** Another client of the store, with no faults except the store's. */
  readonly channel: Channel;
  /** The chunks of the model in each run. */
  readonly said: ReadonlyMap<string, string[]>;
  /** Runs whose chunks were removed from the store. */
  readonly vanished: ReadonlySet<string>;
  client(): Client;
  /** The process ends, and another one replaces it after a while. */
  kill(instance: number, againAfterMs: number): void;
  /** For a while, some of its store requests fail, and are applied `ms` later. */
  hold(instance: number, forMs: number, ms: number): void;
  /** The instance thaws by itself. */
  freeze(instance: number, forMs: number): void;
  /** For a while, some wake-ups come late and out of order. */
  lateWakes(forMs: number): void;
  /** Removes the chunks of one run of these sessions from the store. */
  vanish(sessions: readonly string[]): Promise<void>;
  /** Ends all failures: every instance runs, and none is frozen. */
  heal(): Promise<void>;
  session(id: string): SessionHandle;
}

export function createCluster(server: UpstashServer, count: number, random: Random): Cluster {
  const said = new Map<string, string[]>();
  const handler = answering(said);
  const vanished = new Set<string>();
  const under = new Set<Promise<unknown>>();
  let late = 0;
  const channel = () => upstashChannel({ url: server.url, token: server.token });
  const releases = new Set<() => void>();

  function start(): Instance {
    const chaos = createChaos(withLateWakes(channel()));
    const world = createWorld(chaos.channel, handler, {
      leaseMs,
      flushIntervalMs: 10,
      allowWhenBusy: ['interrupt', 'parallel'],
    });
    return { world, chaos, uplink: world.client() };
  }

  function withLateWakes(store: Channel): Channel {
    return {
      ...store,
      subscribe: (sessionId, onWake) =>
        store.subscribe(sessionId, (wake) => {
          if (late === 0 || random.chance(0.5)) onWake(wake);
          else setTimeout(() => onWake(wake), random.int(0, 800));
        }),
    };
  }

  function lasting(ms: number, end: () => void): void {
    const task = sleep(ms).then(() => {
      end();
      under.delete(task);
    });
    under.add(task);
  }

  const instances: (Instance | undefined)[] = Array.from({ length: count }, start);

  return {
    channel: channel(),
    said,
    vanished,
    client: () =>
      createClient(async (request) => {
        const instance = random.pick(instances.filter((one) => one !== undefined));
        if (!instance) throw new TypeError('fetch failed');
        const body = await request.text();
        const { method, headers } = request;
        return instance.uplink.fetch(request.url, { method, headers, ...(body !== '' && { body }) });
      }),
    kill(index, againAfterMs) {
      const instance = instances[index];
      if (!instance) return;
      instances[index] = undefined;
      instance.chaos.killProducer();
      instance.uplink.crash();
      lasting(againAfterMs, () => (instances[index] = start()));
    },
    hold(index, forMs, ms) {
      const until = performance.now() + forMs;
      const match = () => performance.now() < until && random.chance(0.3);
      const release = instances[index]?.chaos.storeFaults({ kind: 'hold', ms }, { match });
      if (release) releases.add(release);
    },
    freeze(index, forMs) {
      const thaw = instances[index]?.chaos.freeze();
      if (thaw) lasting(forMs, thaw);
    },
    lateWakes(forMs) {
      late++;
      lasting(forMs, () => late--);
    },
    async vanish(sessions) {
      const pattern = (id: string) => `dc:{${id.replaceAll(' ', '=20')}}:run:*`;
      const found = await Promise.all(sessions.map((id) => server.command('KEYS', pattern(id))));
      const key = random.pick((found as string[][]).flat());
      if (key === undefined) return;
      vanished.add(key.split(':run:')[1]!);
      await server.command('DEL', key);
    },
    heal: async () => {
      while (under.size > 0) await Promise.all(under);
      for (const release of releases) release();
    },
    session: (id) => instances.find((one) => one !== undefined)!.world.chat.session(id),
  };
}

/** More chunks than may wait for a failing store. No message keeps them. */
const burst = Array.from({ length: 4 }, (): UIMessageChunk => {
  return { type: 'data-burst', data: 'x'.repeat(2_400_000), transient: true };
});

/** Answers with the scripted model, and records its chunks. */
function answering(said: Map<string, string[]>): Handler {
  const weather = tool({
    inputSchema: z.object({ city: z.string() }),
    execute: async (_, { abortSignal }) => {
      await sleep(300, undefined, { ...(abortSignal && { signal: abortSignal }) });
      return { celsius: 15, sky: 'rainy' };
    },
  });
  return async (request, { run }) => {
    const { messages } = (await request.json()) as { messages: UIMessage[] };
    const result = streamText({
      model: scriptedModel(),
      messages: await convertToModelMessages(messages),
      tools: { weather },
      stopWhen: isStepCount(3),
      abortSignal: request.signal,
      onError: () => {},
    });
    const isBurst = textOf(messages.at(-1)).includes(' burst)');
    const words: string[] = [];
    said.set(run.id, words);
    return result.toUIMessageStream().pipeThrough(
      new TransformStream<UIMessageChunk, UIMessageChunk>({
        transform(chunk, controller) {
          if (chunk.type === 'text-delta') words.push(chunk.delta);
          if (chunk.type === 'text-end' && isBurst) for (const one of burst) controller.enqueue(one);
          controller.enqueue(chunk);
        },
      }),
    );
  };
}
