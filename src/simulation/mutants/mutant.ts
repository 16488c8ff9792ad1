// A mutant of the product: one change of one file that breaks a promise. The simulator must find it.

/** One mutant. */
export interface Mutant {
  /** What is broken, in a few words. */
  readonly name: string;
  /** The file, from the repository's root. */
  readonly file: string;
  /** A text that the file has once. */
  readonly from: string;
  /** What stands there instead. */
  readonly to: string;
}
