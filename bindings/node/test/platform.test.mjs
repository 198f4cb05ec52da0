// Every package with a native part is found on its platform.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { test } from 'node:test';

const require = createRequire(import.meta.url);
const { platform } = require('../platform.cjs');
const platforms = require('../platforms.json');

for (const { name, os, cpu, libc } of platforms) {
  test(`@calsync/${name}`, () => {
    const header = libc === 'glibc' ? { glibcVersionRuntime: '2.36' } : {};
    assert.equal(platform({ platform: os, arch: cpu, report: { getReport: () => ({ header }) } }), name);
  });
}

test('this platform is one of them', () => assert.ok(platforms.some(({ name }) => name === platform())));
