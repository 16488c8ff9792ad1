import { expect, it } from 'vitest';
import { entries } from '../../protocol/entries.ts';
import { followSession, leaseMs } from '../../test/fixtures/session.fixture.ts';
import { createControl } from './control.ts';

const settings = { leaseMs, stopGraceMs: 2_000 };

async function begun(around?: Parameters<typeof followSession>[0]) {
  const here = followSession(around);
  await here.begin('r');
  await here.session.refresh();
  return { ...here, control: createControl(here.session, 'r', settings, undefined) };
}

it('a stop halts the run, and names who stopped; later news changes nothing', async () => {
  const { control, session, channel } = await begun();
  expect([control.halt, control.signal.aborted]).toEqual([undefined, false]);
  await channel.append('s', entries.stop('r', { by: 'ada' }), {});
  await session.refresh();
  expect(control.signal.aborted).toBe(true);
  control.lose();
  expect(control.halt).toEqual({ type: 'stopped', how: { reason: 'stop', by: 'ada' } });
  control.close();
  session.close();
});

it('G6: the end by another process halts the run as lost', async () => {
  const { control, session, channel } = await begun();
  await channel.append('s', entries.end({ runId: 'r', reason: 'interrupted', chunks: 0 }), {});
  await session.refresh();
  expect(control.halt).toEqual({ type: 'lost', how: { reason: 'interrupted' } });
  control.close();
  session.close();
});

it('a deletion halts the run, also after a stop', async () => {
  const { control, session, channel } = await begun();
  await channel.append('s', entries.stop('r'), {});
  await session.refresh();
  await channel.delete('s');
  await session.refresh({ fresh: true });
  expect(control.halt).toEqual({ type: 'deleted', how: { reason: 'stop' } });
  control.close();
  session.close();
});

it('a deletion halts a run whose start this process has not read', async () => {
  const here = followSession();
  await here.session.refresh();
  await here.begin('r');
  await here.channel.delete('s');
  const control = createControl(here.session, 'r', settings, undefined);
  await here.time.advance(leaseMs / 2);
  expect(control.halt).toEqual({ type: 'deleted', how: { reason: 'stop' } });
  control.close();
  here.session.close();
});

it('a renewal that is answered after the run’s end aborts nothing', async () => {
  let answer: (lease: 'stop') => void = () => {};
  const { control, session, time } = await begun((channel) => ({
    ...channel,
    heartbeat: () => new Promise((resolve) => (answer = resolve)),
  }));
  await time.advance(leaseMs / 2);
  control.close();
  answer('stop');
  await time.advance(1_000);
  expect([control.halt, control.signal.aborted]).toEqual([undefined, false]);
  session.close();
  expect(time.pending).toBe(0);
});
