// What the network does to new connections, and the fate that each one draws from it.

import type { Random } from '../../test/fixtures/random.fixture.ts';

/** Probabilities of failures, and the range of delays, in milliseconds. */
export interface Weather {
  readonly delay: readonly [number, number];
  /** The request is lost, and the page gets an error or nothing. */
  readonly loseRequest: number;
  /** The request arrives, and its response is lost. */
  readonly loseResponse: number;
  /** A proxy responds in place of the server. */
  readonly badGateway: number;
  /** The response breaks after some bytes. */
  readonly cut: number;
  /** A failure is one that nobody sees. */
  readonly silent: number;
}

/** Nothing fails. */
export const fair: Weather = {
  delay: [1, 15],
  loseRequest: 0,
  loseResponse: 0,
  badGateway: 0,
  cut: 0,
  silent: 0,
};

/** What happens to one connection. */
export interface Fate {
  readonly request: 'arrives' | 'reset' | 'lost' | 'bad gateway';
  readonly response: 'arrives' | 'reset' | 'lost';
  /** After how many bytes of its body the response breaks. */
  readonly cutAt: number | undefined;
  /** Whether its end is seen by nobody. */
  readonly isSilent: boolean;
  /** The delay of the next piece. */
  latency(): number;
}

/** Draws the fate of a connection. */
export function fateOf(weather: Weather, random: Random): Fate {
  const { delay, loseRequest, loseResponse, badGateway, cut, silent } = weather;
  const isSilent = random.chance(silent);
  const broken = isSilent ? 'lost' : 'reset';
  return {
    request: random.chance(badGateway) ? 'bad gateway' : random.chance(loseRequest) ? broken : 'arrives',
    response: random.chance(loseResponse) ? broken : 'arrives',
    cutAt: random.chance(cut) ? random.int(0, 3_000) : undefined,
    isSilent,
    latency: () => random.int(...delay),
  };
}
