// In the browser tests, the demo's model and its slow tool wait for a server of the tests, which answers when a test
// releases it. Outside of the tests there is no such server.

/** Waits until the test releases it. Undefined outside of the tests. */
export const hold: ((signal?: AbortSignal) => Promise<unknown>) | undefined = process.env.E2E_GATE
  ? (signal) => fetch(`${process.env.E2E_GATE}`, { method: 'POST', signal: signal ?? null })
  : undefined;
