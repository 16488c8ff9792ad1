// The one place that says which hook the demo runs on.
'use client';

import { useDurableChat } from 'durable-chat/react';

export type { Connection } from 'durable-chat/client';

export function useDemoChat(id: string) {
  return useDurableChat({ id, throttle: 32 });
}
