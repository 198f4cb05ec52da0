// Finds the native part: beside this file where it was built here, else in the package of the platform.
'use strict';

const { platform } = require('./platform.cjs');

function load() {
  const name = platform();
  try {
    return require(`./calsync.${name}.node`);
  } catch (error) {
    if (error.code !== 'MODULE_NOT_FOUND') throw error;
  }
  try {
    return require(`@calsync/${name}`);
  } catch (error) {
    if (error.code !== 'MODULE_NOT_FOUND') throw error;
    throw new Error(`calsync has no native part for ${name}; build it with cargo, see the README`);
  }
}

module.exports = load();
