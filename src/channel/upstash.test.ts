import { Redis } from '@upstash/redis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DurableChatError } from '../protocol/errors.ts';
import { startUpstashServer, type UpstashServer } from '../testing/upstash-server.ts';
import { describeChannel } from './conformance.fixture.ts';
import { upstashChannel } from './upstash.ts';

let server: UpstashServer;
beforeAll(async () => {
  server = await startUpstashServer();
});
afterAll(() => server.close());

describeChannel('upstash, by url and token', async () =>
  upstashChannel({ url: server.url, token: server.token, prefix: 'own' }),
);
describeChannel('upstash, a client with its defaults', async () =>
  upstashChannel({ redis: new Redis({ url: server.url, token: server.token }), prefix: 'given' }),
);

describe('upstash errors', () => {
  it('G10: say what failed and hold neither chat text nor the token', async () => {
    const redis = new Redis({ url: server.url, token: server.token, retry: false });
    const channel = upstashChannel({ redis });
    const secret = 'a very private sentence';
    const attempts = [
      () => channel.write('s', 'run', 0, [{ type: 'text-delta', id: 't', delta: secret }]),
      () => channel.claim(secret, secret, 'run'),
      () => channel.readLog(secret, ''),
      () => channel.heartbeat(secret, 'run', 1000),
    ];
    for (const fault of [{ kind: 'status', status: 500 }, { kind: 'refuse' }] as const) {
      for (const attempt of attempts) {
        const clear = server.faults.inject(fault);
        const error: unknown = await attempt().catch((thrown: unknown) => thrown);
        clear();
        expect(error).toBeInstanceOf(DurableChatError);
        expect((error as DurableChatError).code).toBe('store_failed');
        const everything =
          String((error as Error).stack) + JSON.stringify(error) + String((error as Error).cause);
        expect(everything).not.toContain(secret);
        expect(everything).not.toContain(server.token);
      }
    }
  });

  it('G1: a reply lost after the write was applied stores the batch once', async () => {
    const redis = new Redis({ url: server.url, token: server.token });
    const channel = upstashChannel({ redis });
    server.faults.inject({ kind: 'lose-reply' }, { times: 2 });
    const chunk = { type: 'text-delta', id: 't', delta: 'once' } as const;
    expect(await channel.write('lost', 'run', 0, [chunk])).toBe('stored');
    expect((await channel.readRun('lost', 'run', 0)).chunks).toEqual([chunk]);
  });
});
