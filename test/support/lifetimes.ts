// What lives as long as one test: chains that are closed and folders that are removed after whichever test of the file
// asked for them, the newest first. For test files only; programs close what they open.
import { afterEach } from "bun:test";
import { openTestChain, type TestChain, type TestChainOptions } from "./chain.ts";
import { temporaryFolder } from "./kora.ts";

const ends: (() => void)[] = [];

function endAll(): void {
  for (const end of ends.splice(0).reverse()) end();
}

/** A function that takes what has to be done at the end of the test. */
export function atEndOfTest(): (end: () => void) => void {
  afterEach(endAll);
  return (end) => void ends.push(end);
}

export interface TestChains {
  readonly open: (options?: TestChainOptions) => TestChain;
  /** Closes those that are open now, for a test that runs through many. */
  readonly closeAll: () => void;
}

/** Chains with `defaults` unless told otherwise. */
export function testChains(defaults: TestChainOptions = {}): TestChains {
  afterEach(endAll);
  return {
    open(options = {}) {
      const chain = openTestChain({ ...defaults, ...options });
      ends.push(() => chain.close());
      return chain;
    },
    closeAll: endAll,
  };
}

/** A function that makes an empty folder. */
export function testFolders(): () => string {
  afterEach(endAll);
  return () => {
    const folder = temporaryFolder();
    ends.push(() => folder[Symbol.dispose]());
    return folder.path;
  };
}
