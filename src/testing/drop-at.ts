// Connections that break: a response's body ends in a network error after so many bytes.

/** How many bytes a response may carry; a function is asked for each request, and undefined sets no limit. */
export type DropAt =
  | number
  | ((request: { readonly method: string; readonly url: string }) => number | undefined);

/**
 * A `fetch` whose responses break off after `bytes` bytes, as on a bad network. For the `fetch` option of the hook, of
 * a `DurableSession` or of a transport. `through` makes the requests; default: the platform's own `fetch`.
 */
export function dropAt(bytes: DropAt, through?: typeof fetch): typeof fetch {
  return async (input, init) => {
    const response = await (through ?? fetch)(input, init);
    const { method = 'GET', url } = input instanceof Request ? input : { url: String(input) };
    const limit = typeof bytes === 'number' ? bytes : bytes({ method: init?.method ?? method, url });
    if (limit === undefined || !response.body) return response;
    return new Response(breakAfter(response.body, limit), response);
  };
}

/** The first `bytes` bytes of `body`, and then a network error; all of a body that is not longer. */
export function breakAfter(body: ReadableStream<Uint8Array>, bytes: number): ReadableStream<Uint8Array> {
  const reader = body.getReader();
  let left = bytes;
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { done, value } = await reader.read();
      if (done) return controller.close();
      if (value.byteLength <= left) {
        left -= value.byteLength;
        return controller.enqueue(value);
      }
      if (left > 0) controller.enqueue(value.slice(0, left));
      controller.error(new TypeError('network error'));
      await reader.cancel().catch(() => {});
    },
    cancel: (reason) => reader.cancel(reason),
  });
}
