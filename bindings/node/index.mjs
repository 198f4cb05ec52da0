// The same for `import`.
import calsync from './index.cjs';

export const {
  CalsyncError,
  Engine,
  StoreConflict,
  StoreFenced,
  StoreFull,
  StoreUnavailable,
  diff,
  diffMany,
  expand,
  expandMany,
  merge,
  mergeMany,
  parse,
  parseMany,
  patch,
  patchMany,
  write,
} = calsync;
