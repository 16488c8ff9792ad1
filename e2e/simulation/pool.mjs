// Runs schedules in processes of their own, as many at a time as there are workers.
import { fork } from 'node:child_process';
import { once } from 'node:events';

/**
 * Runs the schedules of the seeds that `next` returns, until it returns undefined.
 *
 * @param options.worker The program of a worker.
 * @param options.files The code of its processes.
 * @param options.how `trace`: the results have their traces. `twice`: each runs twice, and its traces are compared.
 * @param options.batch How many seeds a worker takes at a time.
 * @param options.onResult Called with the result of each.
 */
export async function runSeeds({ worker, files, workers, how = [], batch = 20, next, onResult }) {
  const children = Array.from({ length: workers }, () => {
    const child = fork(worker, [...files, ...how], {
      // What a schedule makes is garbage when it ends: a large nursery drops it without a copy.
      execArgv: ['--max-semi-space-size=64'],
    });
    child.on('message', (message) => {
      if (message !== 'idle') return onResult(message);
      const seeds = [];
      while (seeds.length < batch) {
        const seed = next();
        if (seed === undefined) break;
        seeds.push(seed);
      }
      if (seeds.length > 0) child.send(seeds);
      else child.disconnect();
    });
    return once(child, 'exit');
  });
  for (const [code] of await Promise.all(children)) if (code !== 0) throw new Error('A worker has failed.');
}
