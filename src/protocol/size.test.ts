import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fitsRequest, requestBytes } from './size.ts';

const awkward = fc.string({
  unit: fc.constantFrom('a', '"', '\\', '\n', '\u0000', 'é', '€', '\ud83d', '💾', '\u2028'),
  maxLength: 200,
});

describe('the size of a request', () => {
  it('is the size of a body with the value as a string', () => {
    fc.assert(
      fc.property(fc.dictionary(awkward, fc.oneof(awkward, fc.double(), fc.array(awkward))), (value) => {
        const around = new TextEncoder().encode(JSON.stringify(['']));
        const body = new TextEncoder().encode(JSON.stringify([JSON.stringify(value)]));
        expect(requestBytes(value)).toBe(body.byteLength - around.byteLength + 2);
      }),
    );
  });

  it('is never underestimated', () => {
    fc.assert(
      fc.property(awkward, fc.nat(1_000), (value, limit) => {
        expect(fitsRequest(JSON.stringify(value), limit)).toBe(requestBytes(value) <= limit);
      }),
    );
  });
});
