'use client';

// durable-chat/react: the hook.

export {
  useDurableChat,
  type UseDurableChatHelpers,
  type UseDurableChatOptions,
} from './react/use-durable-chat.ts';
