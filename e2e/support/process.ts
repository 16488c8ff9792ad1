// A server process of a test: started, awaited, and ended by its own handle.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { createInterface } from 'node:readline';

export interface ServerProcess {
  /** Resolves with what `pick` finds in a line of stdout; rejects when the process ends first. */
  line(pick: (line: string) => string | undefined): Promise<string>;
  /** Rejects when the process ends; never resolves. */
  readonly died: Promise<never>;
  /** Idempotent; resolves once the process has ended. */
  end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void>;
}

/** Starts a Node script; each line that it writes to stderr goes to `onError`. */
export function startScript(
  args: readonly string[],
  options: {
    readonly cwd: string;
    readonly env: NodeJS.ProcessEnv;
    readonly onError: (line: string) => void;
  },
): ServerProcess {
  const child = spawn(process.execPath, args, {
    cwd: options.cwd,
    env: options.env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const lines: string[] = [];
  const listeners = new Set<(line: string) => void>();
  createInterface({ input: child.stdout }).on('line', (line) => {
    lines.push(line);
    for (const listener of [...listeners]) listener(line);
  });
  createInterface({ input: child.stderr }).on('line', options.onError);
  const died = new Promise<never>((_, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) => reject(new Error(`${args[0]} ended (${signal ?? code})`)));
  });
  died.catch(() => {});

  return {
    died,
    line(pick) {
      const found = new Promise<string>((resolve) => {
        const listener = (line: string) => {
          const value = pick(line);
          if (value === undefined) return;
          listeners.delete(listener);
          resolve(value);
        };
        listeners.add(listener);
        lines.forEach(listener);
      });
      return Promise.race([found, died]);
    },
    end: (signal) => end(child, signal),
  };
}

async function end(child: ChildProcess, signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill(signal);
  const patience = setTimeout(() => child.kill('SIGKILL'), 5_000);
  await exited;
  clearTimeout(patience);
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo; // a TCP server's address is never a path
  server.close();
  await once(server, 'close');
  return port;
}
