import type { Store } from './index.cjs';

/** What `describe` of node:test takes beside its name. */
export interface ConformanceOptions {
  /** Whether the cases are left out, or why. */
  skip?: boolean | string;
  /** Whether they are all that is run, with `--test-only`. */
  only?: boolean;
  /** Milliseconds for all of them. Default: none. */
  timeout?: number;
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
