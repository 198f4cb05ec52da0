// The same for `import`.
import calsync from './index.cjs';

export const {
  CalDavEmulator,
  CalsyncError,
  Engine,
  GoogleEmulator,
  MicrosoftEmulator,
  STORE_CASES,
  StoreConflict,
  StoreCorrupt,
  StoreFenced,
  StoreFull,
  StoreInvalidInput,
  StoreUnavailable,
  checkStore,
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
