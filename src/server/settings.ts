// The server's settings: the app's options with their defaults, for each of its parts what that part reads.

import { DurableChatError } from '../protocol/errors.ts';
import { newId } from '../lib/id.ts';
import type { Runtime } from '../lib/runtime.ts';
import type { DurableChatOptions, ErrorContext, Limits } from './options.ts';

const defaultLimits: Limits = {
  bodyBytes: 4 * 1024 * 1024,
  messageBytes: Infinity,
  messagesPerSession: 5_000,
  viewersPerSession: 1_000,
  activeRunsPerSession: 100,
};

/** Options without a default. */
type Optional = 'loadMessages' | 'onMessage' | 'onRunEnd' | 'maxDurationMs';

type Defaulted = Required<
  Omit<DurableChatOptions, Optional | 'limits' | 'channel' | 'authorize' | 'waitUntil'>
>;

type All = Defaulted & Pick<DurableChatOptions, Optional> & { readonly limits: Limits };

/** What `http/` reads. */
export type RouteSettings = Pick<
  All,
  'allowedOrigins' | 'limits' | 'maxDurationMs' | 'reauthorizeMs' | 'onError'
>;

/** What `send/` reads. */
export interface SendSettings extends Pick<
  All,
  'whenBusy' | 'allowWhenBusy' | 'limits' | 'seed' | 'generateId' | 'onStoreDown'
> {
  readonly runs: RunSettings;
}

/** What `run/` reads. */
export type RunSettings = Pick<
  All,
  'leaseMs' | 'stopGraceMs' | 'flushIntervalMs' | 'maxUnwrittenBytes' | 'onError' | 'onEvent'
>;

/** What the app's own database gets, and what it has. */
export type KeepSettings = Pick<All, 'loadMessages' | 'onMessage' | 'onRunEnd' | 'onError'>;

/** The settings of one durable chat. */
export interface Settings {
  readonly routes: RouteSettings;
  readonly sends: SendSettings;
  readonly keep: KeepSettings;
}

/** The defaults of all other options. */
const defaultsOf = (runtime: Runtime): Defaulted => ({
  whenBusy: 'queue',
  allowWhenBusy: [],
  allowedOrigins: [],
  seed: 'text',
  generateId: () => newId(runtime),
  flushIntervalMs: 50,
  leaseMs: 15_000,
  stopGraceMs: 2_000,
  reauthorizeMs: 60_000,
  onStoreDown: 'reject',
  maxUnwrittenBytes: 8 * 1024 * 1024,
  onError: logName,
  onEvent: () => {},
});

/** Throws `config` for invalid options. */
export function settingsOf({ limits, ...options }: DurableChatOptions, runtime: Runtime): Settings {
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  const settings: Omit<All, 'limits'> = {
    ...defaultsOf(runtime),
    ...(Object.fromEntries(given) as DurableChatOptions), // the options without those that are undefined
  };
  checkOrigins(settings.allowedOrigins);
  if (!(settings.reauthorizeMs > 0)) {
    throw new DurableChatError(
      'config',
      '`reauthorizeMs` must be greater than 0. With Infinity, `authorize` is not called again.',
    );
  }
  const all: All = {
    ...settings,
    limits: { ...defaultLimits, ...limits },
    // Without `authorize` there is nothing to call again.
    reauthorizeMs: options.authorize ? settings.reauthorizeMs : Infinity,
    onError: harmless(settings.onError),
    onEvent: harmless(settings.onEvent),
  };
  return { routes: all, sends: { ...all, runs: all }, keep: all };
}

/** Throws `config` for a value that no browser sends as `Origin`. */
function checkOrigins(allowed: readonly string[]): void {
  const wrong = allowed.find((origin) => !/^[a-z][a-z\d+.-]*:\/\/[^/*?#\s]+$/.test(origin));
  if (wrong === undefined) return;
  throw new DurableChatError(
    'config',
    `\`allowedOrigins\` contains ${JSON.stringify(wrong)}, which is not an origin. Write an origin as a browser sends it, such as https://app.example.`,
  );
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
