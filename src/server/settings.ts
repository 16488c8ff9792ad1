// The server's settings: the app's options with their defaults.

import { DurableChatError } from '../protocol/errors.ts';
import { checkOrigins } from './http/cross-origin.ts';
import { newId } from '../lib/id.ts';
import type { Runtime } from '../lib/runtime.ts';
import type { DurableChatOptions, ErrorContext, Limits, OnStoreDown, Seed, WhenBusy } from './options.ts';

export interface Settings {
  readonly whenBusy: WhenBusy;
  readonly allowWhenBusy: readonly WhenBusy[];
  readonly limits: Limits;
  readonly allowedOrigins: readonly string[];
  readonly loadMessages: DurableChatOptions['loadMessages'];
  readonly onMessage: DurableChatOptions['onMessage'];
  readonly seed: Seed;
  readonly onRunEnd: DurableChatOptions['onRunEnd'];
  readonly generateId: () => string;
  readonly flushIntervalMs: number;
  readonly leaseMs: number;
  readonly stopGraceMs: number;
  readonly maxDurationMs: number | undefined;
  /** Infinity without `authorize`. */
  readonly reauthorizeMs: number;
  readonly onStoreDown: OnStoreDown;
  readonly maxUnwrittenBytes: number;
  readonly onError: NonNullable<DurableChatOptions['onError']>;
  readonly onEvent: NonNullable<DurableChatOptions['onEvent']>;
}

const defaultLimits: Limits = {
  bodyBytes: 4 * 1024 * 1024,
  messageBytes: Infinity,
  messagesPerSession: 5_000,
  viewersPerSession: 1_000,
  activeRunsPerSession: 100,
};

/** Throws `config` for invalid options. */
export function settingsOf(options: DurableChatOptions, runtime: Runtime): Settings {
  const { allowedOrigins = [], loadMessages, onMessage, onRunEnd, reauthorizeMs = 60_000 } = options;
  checkOrigins(allowedOrigins);
  if (!(reauthorizeMs > 0)) {
    throw new DurableChatError(
      'config',
      '`reauthorizeMs` must be greater than 0. With Infinity, `authorize` is not called again.',
    );
  }
  return {
    whenBusy: options.whenBusy ?? 'queue',
    allowWhenBusy: options.allowWhenBusy ?? [],
    limits: { ...defaultLimits, ...options.limits },
    allowedOrigins,
    loadMessages,
    onMessage,
    seed: options.seed ?? 'text',
    onRunEnd,
    generateId: options.generateId ?? (() => newId(runtime)),
    flushIntervalMs: options.flushIntervalMs ?? 50,
    leaseMs: options.leaseMs ?? 15_000,
    stopGraceMs: options.stopGraceMs ?? 2_000,
    maxDurationMs: options.maxDurationMs,
    reauthorizeMs: options.authorize ? reauthorizeMs : Infinity,
    onStoreDown: options.onStoreDown ?? 'reject',
    maxUnwrittenBytes: options.maxUnwrittenBytes ?? 8 * 1024 * 1024,
    onError: harmless(options.onError ?? logName),
    onEvent: harmless(options.onEvent ?? (() => {})),
  };
}

/** Calls the app's observer, and ignores its exceptions and rejections. */
function harmless<A extends unknown[]>(observe: (...args: A) => unknown): (...args: A) => void {
  return (...args) => {
    new Promise((resolve) => resolve(observe(...args))).catch(() => {});
  };
}

function logName(error: unknown, { runId = 'none' }: ErrorContext): void {
  const name = error instanceof Error ? error.name : typeof error;
  console.error(`durable-chat: ${name} (run: ${runId}). Pass onError to get the error itself.`);
}
