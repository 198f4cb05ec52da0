// The name of a platform, as the packages with the native part are called: those of platforms.json.
'use strict';

/** The name of the platform of `process`, which is this one. */
function platform({ platform, arch, report } = process) {
  if (platform === 'win32') return `win32-${arch}-msvc`;
  if (platform !== 'linux') return `${platform}-${arch}`;
  // A report names the glibc it runs on; musl has none.
  const known = report && report.getReport();
  const glibc = known && known.header && known.header.glibcVersionRuntime;
  return `linux-${arch}-${glibc ? 'gnu' : 'musl'}`;
}

module.exports = { platform };
