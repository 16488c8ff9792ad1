// Sends one message to a running app, and checks the answer, the stored session, and the pages.
import assert from 'node:assert/strict';

export async function exchange(url) {
  const message = { id: 'u1', role: 'user', parts: [{ type: 'text', text: 'count to 5' }] };
  const response = await fetch(`${url}/api/chat`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ id: 'front', messages: [message], trigger: 'submit-message' }),
  });
  assert.equal(response.status, 200, await peek(response));
  assert.ok(response.headers.get('x-durable-run'), 'the answer names its run');
  const events = (await response.text()).split('\n\n').map((event) => /^data: (.*)$/m.exec(event)?.[1]);
  const chunks = events.filter((data) => data?.startsWith('{')).map((data) => JSON.parse(data));
  const text = chunks.map((chunk) => (chunk.type === 'text-delta' ? chunk.delta : '')).join('');
  assert.equal(text, '1 2 3 4 5');
  assert.ok(events.includes('[DONE]'), 'the answer is complete');

  const snapshot = await firstFrame(`${url}/api/chat?id=front`);
  assert.deepEqual(
    snapshot.messages.map(({ role }) => role),
    ['user', 'assistant'],
  );

  for (const page of ['/', '/no-id', '/chat/another']) {
    const shown = await fetch(url + page);
    assert.equal(shown.status, 200, page);
    assert.match(await shown.text(), /<button>Send<\/button>/, page);
  }
}

async function firstFrame(url) {
  const leave = new AbortController();
  try {
    const response = await fetch(url, { signal: leave.signal });
    let text = '';
    const decoder = new TextDecoder();
    for await (const bytes of response.body) {
      text += decoder.decode(bytes, { stream: true });
      const data = /^data: (.*)\n/m.exec(text)?.[1];
      if (data !== undefined) return JSON.parse(data);
    }
    throw new Error(`${url} ended without a frame:\n${text}`);
  } finally {
    leave.abort();
  }
}

/** Why a request failed, for the assertion's message. */
function peek(response) {
  return response.ok ? undefined : response.clone().text();
}
