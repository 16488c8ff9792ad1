// The model's tools: `weather` runs on the server, `location` runs in the page, and `book` runs on the server after an
// approval.
import { tool, type InferUITools, type UIDataTypes, type UIMessage } from 'ai';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { hold } from './gate';

export type DemoMessage = UIMessage<unknown, UIDataTypes, InferUITools<typeof tools>>;

const SKIES = ['sunny', 'cloudy', 'windy', 'rainy'] as const;

export const tools = {
  weather: tool({
    description: 'The weather in a city, now.',
    inputSchema: z.object({ city: z.string().min(1) }),
    outputSchema: z.object({ city: z.string(), celsius: z.number(), sky: z.string() }),
    async execute({ city }, { abortSignal }) {
      // Long enough to reload the page, or to press Stop, while it runs.
      await (hold ? hold(abortSignal) : sleep(2000, undefined, { signal: abortSignal }));
      if (/atlantis/i.test(city)) throw new Error(`There is no weather station in ${city}.`);
      // The weather of a city never changes: the browser tests expect it.
      const sum = new TextEncoder()
        .encode(city.toLowerCase())
        .reduce((total, byte) => (total + byte) % 200, 0);
      return { city, celsius: 8 + (sum % 20), sky: SKIES[sum % SKIES.length] ?? 'sunny' };
    },
  }),
  location: tool({
    description: 'Where the reader is.',
    inputSchema: z.object({}),
    outputSchema: z.object({ city: z.string() }),
  }),
  book: tool({
    description: 'Books a table in the restaurant, at a time of today such as 20:00.',
    inputSchema: z.object({ guests: z.number().int().min(1), at: z.string() }),
    outputSchema: z.object({ reference: z.string() }),
    execute({ guests, at }) {
      return { reference: `${at.replace(':', '')}-${guests}` };
    },
  }),
};
