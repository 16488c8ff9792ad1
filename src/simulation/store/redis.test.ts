// The model is compared with a real Redis: the same commands get the same replies.

import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { describeEngines } from '../../test/fixtures/engines.fixture.ts';
import { startRedis, type RedisEngine, type RedisProcess } from '../../testing/redis-process.ts';
import { connectRedis, RespError, type RedisConnection, type RespValue } from '../../testing/resp.ts';
import { createRedis, type Lag, type RedisModel } from './redis.ts';

type Words = readonly string[];

type Step =
  | { readonly kind: 'command'; readonly words: readonly string[] }
  | { readonly kind: 'transaction'; readonly commands: readonly Words[] }
  /** The key expires, and that is awaited. */
  | { readonly kind: 'expire'; readonly key: string; readonly how: (typeof hows)[number] }
  | { readonly kind: 'full'; readonly isFull: boolean };

const hows = ['PEXPIRE', 'GETEX', 'SET'] as const;
const keys = ['a', 'b', 'c'];
const key = fc.constantFrom(...keys);

/** One of the first list, and now and then one of the second, which Redis refuses. */
const mostly = <T>(usual: readonly T[], wrong: readonly T[]) =>
  fc.oneof(
    { weight: 6, arbitrary: fc.constantFrom(...usual) },
    { weight: 1, arbitrary: fc.constantFrom(...wrong) },
  );

const value = fc.constantFrom('', 'v', '💾', 'a\r\nb\u0000', '-5');
const seconds = mostly(['1000', '2000', '0', '-1'], ['', 'x', '1.5', ' 1', '+1', '007']);
const milliseconds = mostly(['500000', '900000', '0', '-7'], ['x', '']);
const id = mostly(
  ['*', '0', '1', '1-0', '1-1', '3-0', '7-9', '9007199254740991-0'],
  ['0-0', 'x', '-', '1-x', ''],
);
const bound = mostly(
  ['-', '+', '0', '1', '(1-0', '(1', '3-0', '7', '(7-8', '9007199254740991-0'],
  ['x', '(', ''],
);
const last = mostly(['-', '+', '1', '3-0', '7', '9007199254740991-0'], ['x', '']);
const least = mostly(['1', '3-0', '7-9', '9007199254740991-0'], ['x', '']);
const count = mostly(
  [[], ['COUNT', '1'], ['count', '1000']],
  [['COUNT', '0'], ['COUNT', '-1'], ['COUNT'], ['COUNT', 'x'], ['X', '1']],
);
const fields = mostly(
  [
    ['f', 'v'],
    ['f', '1', 'g', '💾'],
  ],
  [['f'], []],
);
const addOptions = fc.constantFrom([], ['NOMKSTREAM'], ['nomkstream', 'NOMKSTREAM']);
const setOption = mostly(
  [['NX'], ['xx'], ['KEEPTTL'], ['keepTtl'], ['EX', '1000'], ['px', '500000']],
  [['EX', '0'], ['PX', '-1'], ['EX'], ['PX', 'x'], ['Y']],
);
const setOptions = fc.array(setOption, { maxLength: 3 }).map((lists) => lists.flat());

// Redis and Valkey refuse a wrong time in a different order.
const getOptions = fc.constantFrom([], ['EX', '1000'], ['px', '500000'], ['EX'], ['KEEPTTL'], ['NX'], ['Y']);

const command: fc.Arbitrary<Words> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc
      .tuple(key, id, fields, addOptions)
      .map(([name, at, rest, options]) => ['XADD', name, ...options, at, ...rest]),
  },
  {
    weight: 2,
    arbitrary: fc
      .tuple(key, bound, last, count)
      .map(([name, from, to, rest]) => ['XRANGE', name, from, to, ...rest]),
  },
  {
    weight: 2,
    arbitrary: fc
      .tuple(key, last, bound, count)
      .map(([name, to, from, rest]) => ['xrevrange', name, to, from, ...rest]),
  },
  {
    weight: 2,
    arbitrary: fc
      .tuple(key, least, fc.boolean())
      .map(([name, least, exact]) => ['XTRIM', name, 'MINID', ...(exact ? ['='] : []), least]),
  },
  {
    weight: 2,
    arbitrary: fc
      .tuple(key, value, setOptions)
      .map(([name, text, options]) => ['SET', name, text, ...options]),
  },
  fc.tuple(key, getOptions).map(([name, options]) => ['GETEX', name, ...options]),
  key.map((name) => ['get', name]),
  fc.array(key, { maxLength: 3 }).map((names) => ['DEL', ...names]),
  fc.tuple(key, seconds).map(([name, time]) => ['EXPIRE', name, time]),
  fc.tuple(key, milliseconds).map(([name, time]) => ['pexpire', name, time]),
  key.map((name) => ['PTTL', name]),
  fc.tuple(fc.constantFrom('heard', 'not heard'), value).map(([channel, text]) => ['PUBLISH', channel, text]),
  // Too few words, or too many.
  fc.constantFrom(
    ['XADD', 'a', '1-0', 'f'],
    ['GET'],
    ['Get', 'a', 'b'],
    ['SET', 'a'],
    ['PTTL'],
    ['PUBLISH', 'c'],
    ['XTRIM', 'a', 'MINID'],
  ),
);

/** Redis reads its clock for each command of a transaction, so that two ids of one transaction cannot be foreseen. */
const makesOneId = (commands: readonly Words[]) => commands.filter((words) => words.includes('*')).length < 2;

const transaction = fc.array(command, { minLength: 1, maxLength: 5 }).filter(makesOneId);
const steps = (engine: RedisEngine): fc.Arbitrary<readonly Step[]> =>
  fc.array(
    fc.oneof(
      { weight: 12, arbitrary: command.map((words) => ({ kind: 'command', words }) as const) },
      { weight: 4, arbitrary: transaction.map((commands) => ({ kind: 'transaction', commands }) as const) },
      {
        weight: 1,
        arbitrary: fc.record({ kind: fc.constant('expire' as const), key, how: fc.constantFrom(...hows) }),
      },
      // Valkey with full memory queues commands that need none.
      {
        weight: engine === 'redis-server' ? 1 : 0,
        arbitrary: fc.record({ kind: fc.constant('full' as const), isFull: fc.boolean() }),
      },
    ),
    { maxLength: 40, size: 'max' },
  );

/** Shows all data at the end. */
const finalSteps: readonly Step[] = [
  { kind: 'full', isFull: false },
  ...keys.flatMap((name) =>
    [
      ['GET', name],
      ['XRANGE', name, '-', '+'],
      ['PTTL', name],
    ].map((words) => ({ kind: 'command', words }) as const),
  ),
  { kind: 'command', words: ['PUBLISH', 'heard', 'end'] },
];

/** What a step is for Redis. */
function linesOf(step: Step): readonly Words[] {
  switch (step.kind) {
    case 'command':
      return [step.words];
    case 'transaction':
      return [['MULTI'], ...step.commands, ['EXEC']];
    case 'expire':
      return [
        step.how === 'PEXPIRE'
          ? ['PEXPIRE', step.key, '1']
          : step.how === 'GETEX'
            ? ['GETEX', step.key, 'PX', '1']
            : ['SET', step.key, 'v', 'PX', '1'],
      ];
    case 'full':
      return [['CONFIG', 'SET', 'maxmemory', step.isFull ? '1' : '0']];
    default:
      return step satisfies never;
  }
}

/** Errors as texts, so that they are compared. */
const readable = (reply: RespValue | undefined): unknown =>
  reply instanceof RespError ? `error: ${reply.message}` : Array.isArray(reply) ? reply.map(readable) : reply;

/** Makes the steps on a model, and compares its replies with those of Redis. */
function createComparison(): {
  readonly model: RedisModel;
  check(step: Step, replies: readonly RespValue[]): void;
} {
  let clock = Date.now();
  const model = createRedis(() => clock);

  /** The time at which Redis made an id is the model's time. After the highest id of a run it is no time. */
  const followClock = (words: Words, reply: RespValue | undefined) => {
    const time = Number.parseInt(String(reply), 10);
    if (words.includes('*') && time < Number.MAX_SAFE_INTEGER) clock = time;
  };
  const compare = (words: Words, ours: RespValue | undefined, theirs: RespValue | undefined) => {
    // What is left of a time depends on what the commands took.
    const isTime = words[0] === 'PTTL' && Number(theirs) > 0;
    if (isTime) expect(Math.abs(Number(ours) - Number(theirs))).toBeLessThan(60_000);
    else expect([words, readable(ours)]).toEqual([words, readable(theirs)]);
  };

  return {
    model,
    check(step, replies) {
      const lines = linesOf(step);
      if (step.kind === 'full') return model.setFull(step.isFull);
      if (step.kind !== 'transaction') {
        followClock(lines[0]!, replies[0]);
        compare(lines[0]!, model.execute(lines[0]!), replies[0]);
        if (step.kind === 'expire') clock += 2;
        return;
      }
      const { commands } = step;
      expect(commands.map((words) => readable(model.queue(words)))).toEqual(
        replies.slice(1, -1).map(readable),
      );
      const theirs = replies.at(-1);
      if (Array.isArray(theirs)) commands.forEach((words, index) => followClock(words, theirs[index]));
      const ours = model.transaction(commands);
      if (!Array.isArray(ours) || !Array.isArray(theirs))
        return expect(readable(ours)).toEqual(readable(theirs));
      commands.forEach((words, index) => compare(words, ours[index], theirs[index]));
    },
  };
}

describeEngines('the model replies like %s', (engine) => {
  let redis: RedisProcess;
  let real: RedisConnection;
  let listening: RedisConnection;
  const heard: string[] = [];

  beforeAll(async () => {
    redis = await startRedis({ engine });
    [real, listening] = await Promise.all([connectRedis(redis.port), connectRedis(redis.port)]);
    await new Promise<void>((resolve) =>
      listening.subscribe(['SUBSCRIBE', 'heard'], (push) => {
        if (Array.isArray(push) && push[0] === 'message') heard.push(String(push[2]));
        else resolve();
      }),
    );
  });
  afterAll(async () => {
    for (const connection of [real, listening]) connection.close();
    await redis.stop();
  });

  it('to random commands and transactions, and holds the same data after them', async () => {
    await fc.assert(
      fc.asyncProperty(steps(engine), async (steps) => {
        await real.send([['CONFIG', 'SET', 'maxmemory', '0'], ['FLUSHALL']]);
        heard.length = 0;
        const published: string[] = [];
        const { model, check } = createComparison();
        model.subscribe('heard', (message) => published.push(message));

        /** All at once, up to the next key that has to expire. */
        let waiting: Step[] = [];
        const flush = async () => {
          const replies = await real.send(waiting.flatMap(linesOf));
          for (const one of waiting) check(one, replies.splice(0, linesOf(one).length));
          waiting = [];
        };
        for (const one of [...steps, ...finalSteps]) {
          waiting.push(one);
          if (one.kind !== 'expire') continue;
          await flush();
          waiting.push({ kind: 'command', words: ['PTTL', one.key] });
          // A time that is too long was not set.
          while (await isAboutToExpire(one.key));
        }
        await flush();

        const [there] = await real.send([['KEYS', '*']]);
        expect(model.keys().sort()).toEqual((there as string[]).sort());
        // Redis delivers messages in order.
        await expect.poll(() => heard.at(-1)).toBe('end');
        expect(published).toEqual(heard);
      }),
      // Each request to Valkey takes some milliseconds.
      { numRuns: engine === 'redis-server' ? 300 : 75 },
    );

    async function isAboutToExpire(name: string): Promise<boolean> {
      const [left] = await real.send([['PTTL', name]]);
      return typeof left === 'number' && left >= 0 && left < 2;
    }
  });
});

describe('the clock of the model', () => {
  it('a key exists in its last millisecond; what has expired does not come back', () => {
    let clock = 1_000;
    const { execute, keys } = createRedis(() => clock);
    execute(['SET', 'k', 'v', 'PX', '10']);
    clock = 1_010;
    expect([execute(['PTTL', 'k']), execute(['GET', 'k'])]).toEqual([0, 'v']);
    clock = 1_011;
    expect([execute(['PTTL', 'k']), keys()]).toEqual([-2, []]);
    clock = 1_000;
    expect(execute(['GET', 'k'])).toBeNull();
  });

  it('ids grow while the clock stands still, and if it is set back', () => {
    let clock = 1_000;
    const { execute } = createRedis(() => clock);
    const add = () => execute(['XADD', 's', '*', 'f', 'v']);
    expect([add(), add()]).toEqual(['1000-0', '1000-1']);
    clock = 900;
    expect(add()).toBe('1000-2');
    clock = 1_001;
    expect(add()).toBe('1001-0');
  });
});

describe('a replica of the model', () => {
  const setUp = (lag: Lag) => {
    const time = { now: 1_000 };
    const model = createRedis(() => time.now);
    model.execute(['SET', 'k', '0']);
    const replica = model.replica(lag);
    const write = (value: string) => void model.execute(['SET', 'k', value]);
    return { time, model, replica, write, read: () => replica.execute(['GET', 'k']) };
  };

  it('is behind by a number of writes', () => {
    const { write, read } = setUp({ writes: 2 });
    const seen = ['1', '2', '3', '4'].map((value) => {
      write(value);
      return read();
    });
    expect(seen).toEqual(['0', '0', '1', '2']);
  });

  it('is behind by a time', () => {
    const { time, write, read } = setUp({ ms: 50 });
    write('1');
    time.now += 30;
    write('2');
    expect(read()).toBe('0');
    time.now += 20;
    expect(read()).toBe('1');
    time.now += 30;
    expect(read()).toBe('2');
  });

  it('stops at a moment, and its keys still expire', () => {
    const { time, model, write, read, replica } = setUp('stopped');
    write('1');
    model.execute(['XADD', 's', '1-0', 'f', 'v']);
    expect([read(), replica.execute(['XRANGE', 's', '-', '+'])]).toEqual(['0', []]);
    model.execute(['PEXPIRE', 's', '10']);
    const later = model.replica('stopped');
    expect(later.execute(['XRANGE', 's', '-', '+'])).toEqual([['1-0', ['f', 'v']]]);
    time.now += 11;
    expect(later.execute(['XRANGE', 's', '-', '+'])).toEqual([]);
  });

  it('follows no longer after its end', () => {
    const { replica, write, read } = setUp({ writes: 0 });
    write('1');
    expect(read()).toBe('1');
    replica.close();
    write('2');
    expect(read()).toBe('1');
  });
});

it('the model refuses to go on with a command that it does not have', () => {
  const { execute, transaction } = createRedis(() => 0);
  for (const words of [
    ['LPUSH', 'k', 'v'],
    ['XADD', 's', 'MAXLEN', '1', '*', 'f', 'v'],
    ['SET', 'k', 'v', 'EXAT', '5'],
  ]) {
    expect(() => execute(words)).toThrow('The simulated Redis has no');
    expect(() => transaction([words])).toThrow('The simulated Redis has no');
  }
});

it('an evicted key is gone, and nothing else', () => {
  const { execute, evict, keys } = createRedis(() => 0);
  for (const name of ['a', 'b']) execute(['SET', name, 'v']);
  evict('a');
  expect(keys()).toEqual(['b']);
});
