// The same for `import`.
import testing from './node-test.js';

export const { storeConformance } = testing;
