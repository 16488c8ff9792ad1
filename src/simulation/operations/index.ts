import { changes } from './changes.ts';
import type { Operation } from './operation.ts';
import { send, sendTwice } from './send.ts';
import { stop } from './stop.ts';
import { closeTab, openTab, reload } from './tabs.ts';

/** All operations that a schedule draws from. */
export const operations: readonly Operation[] = [
  send,
  sendTwice,
  stop,
  openTab,
  closeTab,
  reload,
  ...changes,
];
