// For node:test: the cases for a store of your own, each a test with its name.
'use strict';

const { describe, test } = require('node:test');
const { STORE_CASES, checkStore } = require('./index.cjs');

function storeConformance(name, factory, { storePatienceMs, ...options } = {}) {
  describe(name, options, () => {
    for (const one of STORE_CASES) test(one, () => checkStore(factory, one, { storePatienceMs }));
  });
}

module.exports = { storeConformance };
