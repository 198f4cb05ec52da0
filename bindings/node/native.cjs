// Finds the native part: beside this file where it was built here, else in the package of the platform.
'use strict';

function platform() {
  const { platform, arch } = process;
  if (platform === 'win32') return `win32-${arch}-msvc`;
  if (platform !== 'linux') return `${platform}-${arch}`;
  // A report names the glibc it runs on; musl has none.
  const report = process.report && process.report.getReport();
  const glibc = report && report.header && report.header.glibcVersionRuntime;
  return `linux-${arch}-${glibc ? 'gnu' : 'musl'}`;
}

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
