// Nothing the native part has is missing in JavaScript or in its types.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { test } from 'node:test';
import * as calsync from '../index.mjs';

const require = createRequire(import.meta.url);
const surface = JSON.parse(require('../native.cjs').surface());
const types = readFileSync(new URL('../index.d.cts', import.meta.url), 'utf8');
const camel = (name) => name.replace(/_([a-z])/g, (_, letter) => letter.toUpperCase());

/** The members of an interface or class as they are declared. */
function members(name) {
  const body = new RegExp(`export (?:interface|class) ${name}(?: extends \\w+)? \\{\\n(.*?)\\n\\}`, 's').exec(types);
  assert.ok(body, `${name} is not declared`);
  const found = [...body[1].matchAll(/^ {2}(?:readonly )?(\w+)\??[:(]/gm)].map(([, member]) => member);
  return new Set(found.filter((member) => member !== 'constructor'));
}

test('every function and method', () => {
  // Languages without the zones of a file ask for it; Temporal is given the definition.
  for (const name of surface.functions.filter((name) => name !== 'zone_offset')) {
    assert.equal(typeof calsync[camel(name)], 'function', name);
    assert.match(types, new RegExp(`export function ${camel(name)}\\(`));
  }
  const declared = members('Engine');
  for (const name of Object.keys(surface.methods)) {
    assert.equal(typeof calsync.Engine.prototype[camel(name)], 'function', name);
    assert.ok(declared.has(camel(name)), name);
  }
});

test('every argument of a method is named in the types', () => {
  for (const [method, names] of Object.entries(surface.methods)) {
    for (const name of names) {
      // Told through `onProgress`.
      if (name !== 'progress') assert.match(types, new RegExp(`\\b${camel(name)}\\??:`), `${method}: ${name}`);
    }
  }
});

test('every field of every value', () => {
  for (const [name, fields] of Object.entries(surface.values)) {
    assert.deepEqual([...members(name)].sort(), fields.map(camel).sort(), name);
  }
});

test('every key of what goes over as JSON', () => {
  for (const [name, keys] of Object.entries(surface.documents)) {
    assert.deepEqual([...members(name)].sort(), [...keys].sort(), name);
  }
});

const words = (name) => {
  const union = new RegExp(`export type ${name} =([^;]*);`).exec(types);
  assert.ok(union, `${name} is not declared`);
  return [...union[1].matchAll(/'([^']+)'/g)].map(([, word]) => word).sort();
};

test('every word of every enum, and every code', () => {
  for (const [name, known] of Object.entries(surface.words)) assert.deepEqual(words(name), [...known].sort(), name);
  for (const [name, known] of Object.entries(surface.document_words)) assert.deepEqual(words(name), [...known].sort(), name);
  assert.deepEqual(words('Code'), [...surface.codes].sort());
});

test('every method of a store', () => {
  assert.deepEqual([...members('Store')].sort(), surface.store.map(camel).sort());
  assert.deepEqual([...members('StoreInOneCall')].sort(), surface.store_in_one_call.map(camel).sort());
});

test('every method of what else is asked', () => {
  for (const [name, methods] of Object.entries(surface.hosts)) {
    const declared = members(name);
    for (const method of methods) assert.ok(declared.has(camel(method)), `${name}: ${method}`);
  }
});
