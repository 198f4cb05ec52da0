// A store written in JavaScript does what ours are checked for.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { STORE_CASES, checkStore } from '../index.mjs';
import { MapStore } from './map-store.mjs';

for (const name of STORE_CASES) test(name, () => checkStore(() => new MapStore(), name));

test('all of them, with promises', () => checkStore(() => new MapStore(true)));

test('a store that forgets to give back a lease is found', async () => {
  const forgets = () => Object.assign(new MapStore(), { releaseLease() {} });
  const error = await checkStore(forgets).then(assert.fail, (error) => error);
  assert.equal(error.code, 'check-failed');
  assert.ok(STORE_CASES.includes(error.item));
  await assert.rejects(checkStore(() => new MapStore(), 'no such case'), { code: 'invalid-input' });
});
