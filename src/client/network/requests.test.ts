import { expect, it } from 'vitest';
import { createRequests } from './requests.ts';

it("each DELETE names its action in `durable`, after the api's own query", async () => {
  const asked: string[] = [];
  const requests = createRequests({
    api: '/api/chat?tenant=a',
    fetch: async (input, init) => {
      asked.push(`${init?.method} ${input as string}`);
      return Response.json({});
    },
  });
  await requests.stop('s/1', undefined);
  await requests.stop('s', 'r');
  await requests.withdraw('s', 'r');
  await requests.delete('s', 'a b');
  await requests.delete('s', undefined);
  expect(asked).toEqual([
    'DELETE /api/chat?tenant=a&id=s%2F1&durable=stop&wire=2',
    'DELETE /api/chat?tenant=a&id=s&durable=stop&runId=r&wire=2',
    'DELETE /api/chat?tenant=a&id=s&durable=withdraw&runId=r&wire=2',
    'DELETE /api/chat?tenant=a&id=s&durable=delete-message&messageId=a+b&wire=2',
    'DELETE /api/chat?tenant=a&id=s&durable=clear&wire=2',
  ]);
});
