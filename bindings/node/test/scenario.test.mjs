// The scenario of `bindings/scenario.json`, through the methods and values of this one: the results are those of Rust.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { CalsyncError, Engine } from '../index.mjs';
import { PASSWORD, USER, at, camel, filled, named, server } from './support.mjs';
import { MapStore } from './map-store.mjs';

const folder = process.env.CALSYNC_SCENARIO;

/** What comes before the options. */
const POSITIONAL = {
  connect: ['connection'],
  remoteCalendars: ['connection'],
  putCalendar: ['calendar'],
  events: ['calendar'],
  addEvent: ['calendar', 'event'],
  updateEvent: ['calendar', 'id', 'revision', 'event'],
  deleteEvent: ['calendar', 'id', 'revision'],
  addLink: ['link'],
  plan: ['link'],
  sync: ['link'],
  conflicts: ['link'],
  answerConflict: ['link', 'conflict'],
  runs: ['link'],
  undoLast: ['link', 'count'],
  outbox: ['link'],
  retryWrite: ['link', 'event'],
  dropWrite: ['link', 'event'],
  close: [],
};

test('it gives what is written', { skip: folder ? false : 'CALSYNC_SCENARIO does not say where it is' }, async (t) => {
  const read = (name) => JSON.parse(readFileSync(join(folder, name), 'utf8'));
  const kept = { url: await server(t), user: USER, password: PASSWORD };
  const engines = { one: new Engine(new MapStore()), two: new Engine() };
  const shown = {};
  for (const step of read('scenario.json').steps) {
    const method = camel(step.call);
    const options = named(filled(step.args, kept));
    const given = POSITIONAL[method].map((name) => {
      const value = options[name];
      delete options[name];
      return value;
    });
    let answer;
    try {
      answer = await engines[step.engine][method](...given, options);
    } catch (error) {
      if (!step.fails || !(error instanceof CalsyncError)) throw error;
      answer = error;
    }
    for (const [name, path] of Object.entries(step.keep ?? {})) kept[name] = at(answer, path);
    if (step.show) shown[step.show] = step.at.map((path) => at(answer, path));
  }
  assert.deepEqual(shown, read('scenario.expected.json'));
});
