// What passes the network, as the checks see it.

import type { Exchange, Observer } from '../network/observer.ts';
import type { Evidence } from './evidence.ts';

export class Wire implements Observer {
  readonly #evidence: Evidence;

  constructor(evidence: Evidence) {
    this.#evidence = evidence;
  }

  head(): void {}

  sent(): void {}

  received(): void {}

  closed(): void {}

  muted({ page }: Exchange): void {
    this.#evidence.muted.add(page.name);
  }

  violation(guarantee: string, what: string): void {
    this.#evidence.violation(guarantee, what);
  }
}
