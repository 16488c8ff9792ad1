// The connections to the chat route that the pages of one browser hold.
import type { BrowserContext, Request } from '@playwright/test';

/** For `page.route`: the chat route, whatever its query says. */
export function isChat({ pathname }: URL): boolean {
  return pathname === '/api/chat';
}

/** Requests to the chat route that began after this call and have not ended. */
export function openRequests(context: BrowserContext, method?: 'GET' | 'POST'): Set<Request> {
  const open = new Set<Request>();
  context.on('request', (request) => {
    const isAsked = method === undefined || request.method() === method;
    if (isAsked && isChat(new URL(request.url()))) open.add(request);
  });
  context.on('requestfinished', (request) => void open.delete(request));
  context.on('requestfailed', (request) => void open.delete(request));
  return open;
}
