'use client';

import { useDurableChat } from 'durable-chat/react';

export function Chat({ id }: { id?: string }) {
  const { messages, sendMessage, status, stop, connection } = useDurableChat(id === undefined ? {} : { id });
  return (
    <main>
      <p role="status">{connection}</p>
      {messages.map((message) => (
        <p key={message.id}>{message.parts.map((part) => (part.type === 'text' ? part.text : null))}</p>
      ))}
      <button onClick={() => sendMessage({ text: 'count to 5' })}>Send</button>
      {status !== 'ready' && <button onClick={() => stop()}>Stop</button>}
    </main>
  );
}
