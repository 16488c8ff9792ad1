import { assistant, count, expectConversation, expectStopped, you } from './support/conversation.ts';
import { test } from './support/test.ts';

test('the chat works in a browser that blocks cookies, and with them storage, locks, and channels', async ({
  openTab,
  release,
}) => {
  const blocked = await openTab({ initScript: blockStorage });
  const beside = await openTab({ beside: blocked, initScript: blockStorage });
  const question = 'count to 200 at 50/s, hold at 30';
  await blocked.send(question);
  for (const tab of [blocked, beside]) await tab.expectHeldAt(30);
  await blocked.reload();
  await blocked.expectHeldAt(30);
  release();
  const turn = [you(question), assistant(count(200))];
  await expectConversation([blocked, beside], turn);
  await beside.edit(question, 'count to 2000 at 50/s, hold at 20');
  await blocked.expectHeldAt(20);
  await blocked.stop();
  await expectStopped([blocked, beside], 'count to 2000 at 50/s, hold at 20', 2000);
});

/** As Firefox does where cookies are blocked: each property throws when it is read. */
function blockStorage(): void {
  const refuse = () => {
    throw new DOMException('The operation is insecure.', 'SecurityError');
  };
  for (const name of ['sessionStorage', 'localStorage', 'indexedDB', 'caches']) {
    Object.defineProperty(window, name, { get: refuse });
  }
  Object.defineProperty(window, 'BroadcastChannel', { value: refuse });
  Object.defineProperty(LockManager.prototype, 'request', {
    value: () => Promise.reject(new DOMException('The operation is insecure.', 'SecurityError')),
  });
}
