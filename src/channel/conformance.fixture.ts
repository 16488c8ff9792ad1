// The tests that every channel must pass.

import type { UIMessageChunk } from 'ai';
import { beforeAll, describe, expect, it } from 'vitest';
import type { LogFrame } from '../protocol/frames.ts';
import { deletedEntry } from '../protocol/entries.ts';
import { formatVersion } from '../protocol/requests.ts';
import type { Channel, Wake } from './channel.ts';

const text = (delta: string): UIMessageChunk => ({ type: 'text-delta', id: 't', delta });
const message = (id: string): LogFrame => ({
  type: 'message',
  message: { id, role: 'user', parts: [{ type: 'text', text: `text of ${id}` }] },
});

const start = (runId: string): LogFrame => ({
  type: 'run-start',
  runId,
  messageId: runId,
  trigger: 'submit-message',
  at: 0,
  send: { key: 'send', once: true },
});

/** Strings that stores or clients can change. */
const awkward = [
  '42',
  'null',
  'true',
  '{"a":1}',
  '[1,2]',
  '"quoted"',
  '12345678901234567890',
  '1e400',
  'line\nbreak\r\n',
  '\u2028\u2029',
  '\ud83d',
  '\ude00',
  'OK',
  '',
  ' ',
  'data: x',
  '💾',
  '\u0000',
  '!x',
];

/** Runs the suite. `open` is called once; each test has its own session. */
export function describeChannel(name: string, open: () => Promise<Channel>): void {
  describe(`channel conformance: ${name}`, () => {
    let channel: Channel;
    let count = 0;
    const session = () => `session ${name} ${++count}`;
    const alive = async (id: string, runs: string[]) => (await channel.leases(id, runs)).map((ms) => ms > 0);
    beforeAll(async () => {
      channel = await open();
    });

    it('G5: the first reservation of a send wins, until it is released', async () => {
      const id = session();
      const claims = await Promise.all(['a', 'b', 'c'].map((runId) => channel.reserve(id, 'send', runId)));
      const winner = claims[0]!.runId;
      expect(claims.map(({ runId }) => runId)).toEqual([winner, winner, winner]);
      expect((await channel.reserve(id, 'other send', 'd')).runId).toBe('d');
      await channel.release(id, 'send');
      expect((await channel.reserve(id, 'send', 'e')).runId).toBe('e');
    });

    it('one holder at a time claims a name, for as long as it renews it', async () => {
      const id = session();
      const holders = await Promise.all(['a', 'b', 'c'].map((who) => channel.claim(id, 'call', who, 60_000)));
      const holder = holders[0]!;
      expect(holders).toEqual([holder, holder, holder]);
      expect(await channel.claim(id, 'other call', 'd', 60_000)).toBe('d');
      // Renewed for a shorter time, after which the name is free.
      expect(await channel.claim(id, 'call', holder, 50)).toBe(holder);
      await expect.poll(() => channel.claim(id, 'call', 'e', 60_000)).toBe('e');
      expect(await channel.claim(id, 'call', holder, 50)).toBe('e');
    });

    it('keeps the log in order, and reads it from any entry', async () => {
      const id = session();
      expect(await channel.readLog(id, '')).toEqual([]);
      const first = await channel.append(id, { key: 'k1', frames: [message('1')] }, { after: '' });
      expect(first).toMatchObject([{ v: formatVersion, key: 'k1', frames: [message('1')] }]);
      await channel.append(id, { key: 'k2', frames: [message('2'), message('3')] }, {});
      const third = await channel.append(id, { key: 'k3', frames: [message('4')] }, { after: first[0]!.id });
      expect(third.map(({ key }) => key)).toEqual(['k2', 'k3']);
      const all = await channel.readLog(id, '');
      expect(all.map(({ key }) => key)).toEqual(['k1', 'k2', 'k3']);
      expect(await channel.readLog(id, all[1]!.id)).toEqual([all[1], all[2]]);
      expect(await channel.readLog(id, all[2]!.id)).toEqual([all[2]]);
      expect((await channel.reserve(id, 'send', 'run')).entries).toEqual(all);
    });

    it('G12: refuses an entry that is larger than a request to a store may be, and takes the next one', async () => {
      const id = session();
      const large = message('"'.repeat(2_500_000));
      await expect(channel.append(id, { key: 'k1', frames: [large] }, {})).rejects.toMatchObject({
        code: 'too_large',
      });
      await channel.append(id, { key: 'k2', frames: [message('2')] }, {});
      expect((await channel.readLog(id, '')).map(({ key }) => key)).toEqual(['k2']);
    });

    it('keeps the condition of an entry', async () => {
      const id = session();
      await channel.append(id, { key: 'k1', frames: [message('1')], when: [{ type: 'first' }] }, {});
      await channel.append(id, { key: 'k2', frames: [], when: [{ type: 'idle' }] }, {});
      await channel.append(id, { key: 'k3', frames: [] }, {});
      expect((await channel.readLog(id, '')).map(({ when }) => when)).toEqual([
        [{ type: 'first' }],
        [{ type: 'idle' }],
        undefined,
      ]);
    });

    it('G12: with `existing: false`, an entry that ends a run can begin a log', async () => {
      const id = session();
      const lease = { type: 'release', runId: 'run' } as const;
      await channel.append(id, { key: 'run end', frames: [] }, { lease, existing: false });
      expect((await channel.readLog(id, '')).map(({ key }) => key)).toEqual(['run end']);
    });

    it('G1: returns a run unchanged, from any position', async () => {
      const id = session();
      const chunks = awkward.map(text);
      await channel.write(id, 'run', 0, chunks.slice(0, 1));
      await channel.write(id, 'run', 1, chunks.slice(1, 7));
      await channel.write(id, 'run', 7, chunks.slice(7));
      for (let from = 0; from <= chunks.length; from++) {
        expect((await channel.readRun(id, 'run', from)).chunks).toEqual(chunks.slice(from));
      }
    });

    it('G1: stores a chunk of a megabyte', async () => {
      const id = session();
      const chunk: UIMessageChunk = {
        type: 'tool-output-available',
        toolCallId: 'c',
        output: { rows: 'x€'.repeat(500_000) },
      };
      await channel.write(id, 'run', 0, [chunk]);
      expect((await channel.readRun(id, 'run', 0)).chunks).toEqual([chunk]);
    });

    it('G1: a repeated write changes nothing', async () => {
      const id = session();
      for (const _ of [1, 2, 3])
        expect(await channel.write(id, 'run', 0, [text('a'), text('b')])).toBe('stored');
      expect(await channel.write(id, 'run', 2, [text('c')])).toBe('stored');
      expect(await channel.write(id, 'run', 2, [text('c')])).toBe('stored');
      expect((await channel.readRun(id, 'run', 0)).chunks).toEqual([text('a'), text('b'), text('c')]);
    });

    it('G6: a closed run accepts no chunks, and the first closure wins', async () => {
      const id = session();
      await channel.write(id, 'run', 0, [text('a')]);
      const closures = await Promise.all([
        channel.close(id, 'run', { reason: 'stop', by: 'ann' }),
        channel.close(id, 'run', { reason: 'interrupted' }),
        channel.close(id, 'run', { reason: 'finish' }),
      ]);
      expect(closures[1]).toEqual(closures[0]);
      expect(closures[2]).toEqual(closures[0]);
      expect(await channel.write(id, 'run', 1, [text('late')])).toBe('closed');
      expect(await channel.readRun(id, 'run', 0)).toEqual({ chunks: [text('a')], closure: closures[0] });
      expect(await channel.readRun(id, 'run', 1)).toEqual({ chunks: [], closure: closures[0] });
    });

    it('G1: a run whose chunks are gone accepts chunks only from 0, and is never read with a gap', async () => {
      const id = session();
      expect(await channel.write(id, 'never', 2, [text('c')])).toBe('gone');
      await channel.append(id, { key: 'start', frames: [start('run')] }, {});
      await channel.write(id, 'run', 0, [text('a'), text('b')]);
      // Otherwise the deletion leaves it closed.
      await channel.append(id, { key: 'run end', frames: [] }, {});
      await channel.delete(id);
      expect(await channel.write(id, 'run', 2, [text('c')])).toBe('gone');
      for (const runId of ['never', 'run'])
        expect(await channel.readRun(id, runId, 0)).toEqual({ chunks: [] });
      // The whole run may be written again, in other batches.
      expect(await channel.write(id, 'run', 0, [text('a')])).toBe('stored');
      expect(await channel.write(id, 'run', 1, [text('b'), text('c')])).toBe('stored');
      expect((await channel.readRun(id, 'run', 1)).chunks).toEqual([text('b'), text('c')]);
    });

    it('G6: a run whose chunks are gone can be closed, and stays closed', async () => {
      const id = session();
      await channel.append(id, { key: 'start', frames: [start('run')] }, {});
      await channel.write(id, 'run', 0, [text('a')]);
      await channel.append(id, { key: 'run end', frames: [] }, {});
      await channel.delete(id);
      expect(await channel.close(id, 'run', { reason: 'finish' }, { written: true })).toEqual({
        reason: 'finish',
      });
      expect(await channel.close(id, 'run', { reason: 'stop' }, { written: true })).toEqual({
        reason: 'finish',
      });
      for (const from of [0, 1]) expect(await channel.write(id, 'run', from, [text('b')])).toBe('closed');
      for (const from of [0, 1]) {
        expect(await channel.readRun(id, 'run', from)).toEqual({
          chunks: [],
          closure: { reason: 'finish' },
        });
      }
    });

    it('a run that was never written can be closed, and reads as empty before', async () => {
      const id = session();
      expect(await channel.readRun(id, 'run', 0)).toEqual({ chunks: [] });
      expect(await channel.close(id, 'run', { reason: 'error' })).toEqual({ reason: 'error' });
      expect(await channel.write(id, 'run', 0, [text('late')])).toBe('closed');
    });

    it('G6: a lease lives as long as it is renewed', async () => {
      const id = session();
      expect(await alive(id, ['run', 'none'])).toEqual([false, false]);
      expect(await alive(id, [])).toEqual([]);
      const entry = { key: 'start', frames: [message('1')] };
      await channel.append(id, entry, { lease: { type: 'take', runId: 'run', ms: 60_000 } });
      expect(await alive(id, ['run', 'none'])).toEqual([true, false]);
      const [left] = await channel.leases(id, ['run']);
      expect(left).toBeGreaterThan(50_000);
      expect(left).toBeLessThanOrEqual(60_000);
      expect(await channel.heartbeat(id, 'run', 150)).toBe('running');
      await expect.poll(() => alive(id, ['run']), { timeout: 5_000 }).toEqual([false]);
      expect(await channel.heartbeat(id, 'run', 60_000)).toBe('lapsed');
      expect(await channel.heartbeat(id, 'run', 60_000)).toBe('running');
      await channel.append(
        id,
        { key: 'end', frames: [message('2')] },
        { lease: { type: 'release', runId: 'run' } },
      );
      expect(await alive(id, ['run'])).toEqual([false]);
    });

    it('G3: after a stop is marked on a lease, every heartbeat returns it; without a lease nothing is marked', async () => {
      const id = session();
      const entry = (key: string) => ({ key, frames: [message(key)] });
      await channel.append(id, entry('early'), { lease: { type: 'stop', runId: 'run' } });
      expect(await alive(id, ['run'])).toEqual([false]);
      await channel.append(id, entry('start'), { lease: { type: 'take', runId: 'run', ms: 60_000 } });
      expect(await channel.heartbeat(id, 'run', 60_000)).toBe('running');
      await channel.append(id, entry('stop'), { lease: { type: 'stop', runId: 'run' } });
      expect(await channel.heartbeat(id, 'run', 60_000)).toBe('stop');
      expect(await channel.heartbeat(id, 'run', 60_000)).toBe('stop');
    });

    it('releasing a lease can release a reservation', async () => {
      const id = session();
      await channel.reserve(id, 'send', 'run');
      const entry = { key: 'end', frames: [message('1')] };
      await channel.append(id, entry, { lease: { type: 'release', runId: 'run', key: 'send' } });
      expect((await channel.reserve(id, 'send', 'next')).runId).toBe('next');
    });

    it('delete removes all of a session, wakes its subscribers, and begins a new log', async () => {
      const id = session();
      const wakes: Wake[] = [];
      const subscription = await channel.subscribe(id, (wake) => wakes.push(wake));
      await channel.reserve(id, 'send', 'one');
      for (const runId of ['one', 'two']) {
        const lease = { type: 'take', runId, ms: 60_000 } as const;
        await channel.append(id, { key: runId, frames: [start(runId)] }, { lease });
        await channel.write(id, runId, 0, [text('private')]);
        await channel.close(id, runId, { reason: 'stop' });
      }
      const [first] = await channel.readLog(id, '');
      await channel.append(id, { key: 'one end', frames: [] }, {});
      await channel.append(id, { key: 'three', frames: [start('three')] }, {});
      await channel.delete(id);
      const left = await channel.readLog(id, '');
      expect(left).toEqual([{ ...deletedEntry, id: expect.any(String) as string }]);
      expect(await channel.readLog(id, first!.id)).toEqual(left);
      expect(await alive(id, ['one', 'two'])).toEqual([false, false]);
      expect(await channel.readRun(id, 'one', 0)).toEqual({ chunks: [] });
      expect(await channel.readRun(id, 'two', 0)).toEqual({ chunks: [], closure: { reason: 'stop' } });
      expect(await channel.write(id, 'two', 1, [text('late')])).toBe('closed');
      expect(await channel.write(id, 'three', 0, [text('late')])).toBe('closed');
      expect(await channel.readRun(id, 'three', 0)).toEqual({ chunks: [], closure: { reason: 'stop' } });
      await expect.poll(() => wakes).toContainEqual({ type: 'deleted' });
      expect((await channel.reserve(id, 'send', 'three')).runId).toBe('three');
      const [, anew] = await channel.append(id, { key: 'k', frames: [message('1')] }, { after: '' });
      expect(await channel.readLog(id, first!.id)).toEqual([...left, anew]);
      await channel.delete(id);
      await channel.delete(id);
      expect(await channel.readLog(id, '')).toHaveLength(1);
      subscription.close();
    });

    it('wakes the subscribers of the session, in order, and no others', async () => {
      const id = session();
      const wakes: Wake[] = [];
      const others: Wake[] = [];
      const subscription = await channel.subscribe(id, (wake) => wakes.push(wake));
      const other = await channel.subscribe(session(), (wake) => others.push(wake));
      await channel.append(id, { key: 'k', frames: [message('1')] }, {});
      await channel.write(id, 'run', 0, awkward.map(text));
      await channel.write(id, 'run', awkward.length, [text('x'.repeat(900_000))]);
      await channel.close(id, 'run', { reason: 'finish' });
      expect(await channel.write(id, 'run', awkward.length + 1, [text('late')])).toBe('closed');
      await expect.poll(() => wakes.length).toBe(3);
      expect(wakes[0]).toEqual({ type: 'log', key: 'k' });
      expect(wakes[1]).toEqual({ type: 'chunks', runId: 'run', from: 0, chunks: awkward.map(text) });
      expect(wakes[2]).toMatchObject({ runId: 'run' });
      await channel.append(id, { key: 'k2', frames: [message('2')] }, {});
      await expect.poll(() => wakes.length).toBe(4);
      expect(wakes[3]).toEqual({ type: 'log', key: 'k2' });
      subscription.close();
      other.close();
      expect(others).toEqual([]);
    });

    it('two subscriptions of a session may overlap, and each one ends by itself', async () => {
      const id = session();
      const wakes: Wake[][] = [[], []];
      const ends: number[] = [];
      const [first, second] = await Promise.all(
        wakes.map((heard, index) =>
          channel.subscribe(
            id,
            (wake) => heard.push(wake),
            () => ends.push(index),
          ),
        ),
      );
      await channel.append(id, { key: 'k', frames: [message('1')] }, {});
      await expect.poll(() => wakes.map(({ length }) => length)).toEqual([1, 1]);
      first!.close();
      await channel.append(id, { key: 'k2', frames: [message('2')] }, {});
      await expect.poll(() => wakes.map(({ length }) => length)).toEqual([1, 2]);
      second!.close();
      // Both were closed by their owner.
      expect(ends).toEqual([]);
    });

    it('G10: sessions with awkward names are kept apart', async () => {
      const names = [
        'a',
        'A',
        'a b',
        'a%20b',
        'a=20b',
        '}{',
        'a:log',
        '../x',
        'ü',
        '💾',
        '*',
        'a,b',
        '?#&',
        "'()",
      ];
      for (const id of names) {
        await channel.append(`${name}${id}`, { key: 'k', frames: [message(id)] }, {});
      }
      for (const id of names) {
        expect(await channel.readLog(`${name}${id}`, '')).toMatchObject([{ frames: [message(id)] }]);
      }
      const heard: string[] = [];
      const subscriptions = await Promise.all(
        names.map((id) => channel.subscribe(`${name}${id}`, () => heard.push(id))),
      );
      for (const id of names) await channel.append(`${name}${id}`, { key: 'k2', frames: [message(id)] }, {});
      await expect.poll(() => [...heard].sort()).toEqual([...names].sort());
      for (const subscription of subscriptions) subscription.close();
    });
  });
}
