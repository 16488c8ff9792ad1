import { describe, expect, it } from 'vitest';
import { createRespParser, encodeCommands, RespError, type RespValue } from './resp.ts';

function parse(bytes: Buffer, size: number): RespValue[] {
  const values: RespValue[] = [];
  const parser = createRespParser((value) => values.push(value));
  for (let at = 0; at < bytes.length; at += size) parser.push(bytes.subarray(at, at + size));
  return values;
}

describe('the RESP parser', () => {
  const stream = Buffer.from(
    '+OK\r\n-ERR no such key\r\n:-42\r\n$-1\r\n*-1\r\n$0\r\n\r\n*0\r\n' +
      `$${Buffer.byteLength('naïve 🙂\r\n\u2028')}\r\nnaïve 🙂\r\n\u2028\r\n` +
      '*3\r\n$1\r\na\r\n*2\r\n:1\r\n*1\r\n$-1\r\n-WRONGTYPE x\r\n+PONG\r\n',
  );
  const expected = [
    'OK',
    new RespError('ERR no such key'),
    -42,
    null,
    null,
    '',
    [],
    'naïve 🙂\r\n\u2028',
    ['a', [1, [null]], new RespError('WRONGTYPE x')],
    'PONG',
  ];

  it.each([1, 2, 3, 7, 64, 10_000])('reads the same values from chunks of %i bytes', (size) => {
    expect(parse(stream, size)).toEqual(expected);
  });

  it('needs time in proportion to the size of a reply', () => {
    const time = (megabytes: number): number => {
      const value = 'é'.repeat(megabytes * 512 * 1024);
      const bytes = Buffer.from(`$${Buffer.byteLength(value)}\r\n${value}\r\n`);
      const start = performance.now();
      expect(parse(bytes, 1024)).toEqual([value]);
      return performance.now() - start;
    };
    time(1);
    expect(time(16)).toBeLessThan(2_000);
  });

  it('refuses input that is not RESP2', () => {
    expect(() => parse(Buffer.from('HTTP/1.1 400\r\n'), 100)).toThrow('Not a RESP2 reply');
  });
});

describe('encodeCommands', () => {
  it('counts bytes, and survives newlines in arguments', () => {
    expect(encodeCommands([['SET', 'k', 'é\r\n']]).toString()).toBe(
      '*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$4\r\né\r\n\r\n',
    );
  });
});
