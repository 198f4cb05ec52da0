import type { Store } from './index.cjs';

/** What `describe` of node:test takes beside its name, and how long the store may take. */
export interface ConformanceOptions {
  /** Whether the cases are left out, or why. */
  skip?: boolean | string;
  /** Whether they are all that is run, with `--test-only`. */
  only?: boolean;
  /** Milliseconds for all of them. Default: none. */
  timeout?: number;
  /** How many milliseconds each method of the store has (60,000). One that takes longer fails its case. */
  storePatienceMs?: number;
}

/**
 * Makes a test of node:test of each case of the store conformance suite, under `name`. Each runs on a fresh and empty store that
 * `factory` makes; one that fails is rejected with the code `check-failed`, and its message says what was expected.
 */
export function storeConformance(
  name: string,
  factory: () => Store | Promise<Store>,
  options?: ConformanceOptions,
): void;
