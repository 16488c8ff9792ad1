// Where the browser tests hold the demo's model and its slow tool: at a server of theirs, which answers when a test says
// go. Outside of the tests there is none.

/** Waits until the test says go; undefined where there is no test. */
export const hold: ((signal?: AbortSignal) => Promise<unknown>) | undefined = process.env.E2E_GATE
  ? (signal) => fetch(`${process.env.E2E_GATE}`, { method: 'POST', signal: signal ?? null })
  : undefined;
