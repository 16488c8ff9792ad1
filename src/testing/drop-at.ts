// Connections that break: the body of a response ends with a network error after a number of bytes.

/** How many bytes of a response arrive. A function is called for each request; undefined means all. */
export type DropAt =
  | number
  | ((request: { readonly method: string; readonly url: string }) => number | undefined);

/**
 * Makes a `fetch` whose responses break after some bytes, as on a bad network. Pass it as the `fetch` option of the hook,
 * of a `DurableSession` or of a transport.
 *
 * @param bytes After how many bytes each response breaks.
 * @param through Makes the requests. Default: the platform's `fetch`.
 * @returns The `fetch`. A body that is not longer than `bytes` stays whole.
 *
 * @example
 * ```ts
 * const session = new DurableSession({ id: 'test', fetch: dropAt(2_000) });
 * ```
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

/** Returns the first `bytes` bytes of `body`, and then a network error. A body that is not longer stays whole. */
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
