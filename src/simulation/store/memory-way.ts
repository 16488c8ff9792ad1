// The memory channel as the store of several processes: each call takes its way there and back.

import type { Channel } from '../../channel/channel.ts';
import { memoryChannel } from '../../channel/memory.ts';
import type { Process } from '../world/process.ts';
import type { World } from '../world/world.ts';

export interface MemoryStore {
  readonly channel: Channel;
  /** The store as a process reaches it. */
  reach(process: Process): Channel;
  /** How many subscriptions are open. */
  readonly subscriptions: number;
}

export function memoryStore(world: World): MemoryStore {
  const now = () => world.elapsed;
  const channel = memoryChannel({}, { monotonic: now, now } as never); // the channel uses only its clock
  let subscriptions = 0;
  const latency = () => world.random.int(1, 8);

  return {
    channel,
    get subscriptions() {
      return subscriptions;
    },
    reach(process) {
      const call =
        <A extends unknown[], T>(method: (...args: A) => Promise<T>) =>
        (...args: A): Promise<T> =>
          new Promise((resolve, reject) => {
            if (process.isDead) return;
            world.after(latency(), () => {
              const back = latency();
              method(...args).then(
                (value) => world.after(back, () => process.enter(() => resolve(value))),
                (error: Error) => world.after(back, () => process.enter(() => reject(error))),
              );
            });
          });
      return {
        reserve: call(channel.reserve),
        claim: call(channel.claim),
        release: call(channel.release),
        readLog: call(channel.readLog),
        append: call(channel.append),
        write: call(channel.write),
        close: call(channel.close),
        readRun: call(channel.readRun),
        delete: call(channel.delete),
        heartbeat: call(channel.heartbeat),
        leases: call(channel.leases),
        subscribe: call(async (sessionId, onWake) => {
          subscriptions++;
          let isOpen = true;
          const { close } = await channel.subscribe(sessionId, (wake) => {
            world.after(latency(), () => process.enter(() => isOpen && onWake(wake)));
          });
          const end = () => {
            if (isOpen) subscriptions--;
            isOpen = false;
            close();
          };
          process.onDeath(end);
          return { close: end };
        }),
      };
    },
  };
}
