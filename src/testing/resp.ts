// Redis' wire protocol (RESP2): a pure push-based parser, and a connection over node:net that sends commands in order, or
// receives pub/sub messages.
import { connect, type Socket } from 'node:net';

/** A value of the protocol. */
export type RespValue = string | number | null | RespError | RespValue[];

/** An error reply, kept as a value: inside a pipeline or an EXEC one failure does not end the others. */
export class RespError extends Error {
  override readonly name = 'RespError';
}

/** A parser that is pushed the bytes of a connection. */
export interface RespParser {
  push(chunk: Buffer): void;
}

const LF = 0x0a;
const CRLF = 2;

/** Calls `onValue` for each complete reply. It reads each byte once, wherever the chunks cut a reply. */
export function createRespParser(onValue: (value: RespValue) => void): RespParser {
  let line: Buffer[] = [];
  let bulk: { pieces: Buffer[]; missing: number } | undefined;
  const arrays: { items: RespValue[]; length: number }[] = [];

  function complete(value: RespValue): void {
    let done = value;
    for (let array = arrays.at(-1); array; array = arrays.at(-1)) {
      array.items.push(done);
      if (array.items.length < array.length) return;
      arrays.pop();
      done = array.items;
    }
    onValue(done);
  }

  function readLine(text: string): void {
    const rest = text.slice(1);
    const count = Number(rest);
    switch (text[0]) {
      case '+':
        return complete(rest);
      case '-':
        return complete(new RespError(rest));
      case ':':
        return complete(count);
      case '$':
        if (count < 0) return complete(null);
        bulk = { pieces: [], missing: count + CRLF };
        return;
      case '*':
        if (count <= 0) return complete(count < 0 ? null : []);
        arrays.push({ items: [], length: count });
        return;
      default:
        throw new Error(`Not a RESP2 reply: ${JSON.stringify(text.slice(0, 40))}`);
    }
  }

  return {
    push(chunk) {
      let at = 0;
      while (at < chunk.length) {
        if (bulk) {
          const piece = chunk.subarray(at, at + bulk.missing);
          bulk.pieces.push(piece);
          bulk.missing -= piece.length;
          at += piece.length;
          if (bulk.missing > 0) return;
          const bytes = bulk.pieces.length === 1 ? piece : Buffer.concat(bulk.pieces);
          bulk = undefined;
          complete(bytes.toString('utf8', 0, bytes.length - CRLF));
        } else {
          const end = chunk.indexOf(LF, at);
          line.push(chunk.subarray(at, end < 0 ? undefined : end));
          if (end < 0) return;
          at = end + 1;
          const bytes = line.length === 1 ? line[0]! : Buffer.concat(line);
          line = [];
          readLine(bytes.toString('utf8', 0, bytes.length - 1));
        }
      }
    },
  };
}

/** Encodes commands as arrays of bulk strings. Lengths are in bytes. */
export function encodeCommands(commands: readonly (readonly string[])[]): Buffer {
  const parts: string[] = [];
  for (const command of commands) {
    parts.push(`*${command.length}\r\n`);
    for (const arg of command) parts.push(`$${Buffer.byteLength(arg)}\r\n`, arg, '\r\n');
  }
  return Buffer.from(parts.join(''));
}

/** A connection to Redis. */
export interface RedisConnection {
  /** Writes all commands at once, so that no other commands come between. Resolves with one reply per command. */
  send(commands: readonly (readonly string[])[]): Promise<RespValue[]>;
  /** Uses the connection for pub/sub: from now on every reply is a push, acknowledgements included. */
  subscribe(command: readonly string[], onPush: (push: RespValue) => void): void;
  /** Resolves once the socket is closed, by either side. */
  readonly closed: Promise<void>;
  close(): void;
}

/** Connects to a Redis. Rejects if it cannot be reached. */
export async function connectRedis(port: number, host = '127.0.0.1'): Promise<RedisConnection> {
  const socket = await open(port, host);
  const waiting: { resolve: (value: RespValue) => void; reject: (error: Error) => void }[] = [];
  let push: ((value: RespValue) => void) | undefined;

  const parser = createRespParser((value) => {
    if (push) return push(value);
    waiting.shift()?.resolve(value);
  });
  socket.on('data', (chunk: Buffer) => parser.push(chunk));

  const closed = new Promise<void>((resolve) => {
    socket.once('close', () => {
      const error = new Error('The connection to Redis closed.');
      for (const one of waiting.splice(0)) one.reject(error);
      resolve();
    });
  });

  return {
    closed,
    close: () => void socket.destroy(),
    send(commands) {
      if (socket.destroyed) return Promise.reject(new Error('The connection to Redis closed.'));
      const replies = commands.map(
        () => new Promise<RespValue>((resolve, reject) => void waiting.push({ resolve, reject })),
      );
      socket.write(encodeCommands(commands));
      return Promise.all(replies);
    },
    subscribe(command, onPush) {
      push = onPush;
      socket.write(encodeCommands([command]));
    },
  };
}

/** Converts a reply to Upstash's JSON. With `asBase64`, strings are in base64, except `OK`. */
export function toJson(value: RespValue, asBase64: boolean): unknown {
  if (Array.isArray(value)) return value.map((item) => toJson(item, asBase64));
  if (value instanceof RespError) return value.message;
  return asBase64 && typeof value === 'string' && value !== 'OK'
    ? Buffer.from(value).toString('base64')
    : value;
}

function open(port: number, host: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host, noDelay: true });
    socket.once('error', reject);
    socket.once('connect', () => {
      socket.off('error', reject);
      // The event 'close' follows.
      socket.on('error', () => undefined);
      resolve(socket);
    });
  });
}
