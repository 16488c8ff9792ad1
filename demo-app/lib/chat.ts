// The one place that says which hook the demo runs on.
'use client';

import { useChat } from '@ai-sdk/react';

export type Connection = 'connecting' | 'connected' | 'reconnecting' | 'offline' | 'closed';

export function useDemoChat(id: string) {
  const chat = useChat({ id, throttle: 32 });
  return { ...chat, connection: 'connected' as Connection };
}
