// The table of `bindings/parts.json`, through the functions and values of this one: the results are those of Rust.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import * as calsync from '../index.mjs';
import { at, filled, named } from './support.mjs';

const folder = process.env.CALSYNC_SCENARIO;

const FUNCTIONS = {
  plan: ({ pairs, ...rules }) => calsync.plan(pairs, rules),
  transform: ({ events, ...options }) => calsync.transformMany(events, options),
  availability: ({ calendars, ...window }) => calsync.availability(calendars, window),
};

const lunch = () => ({
  uid: 'a',
  master: { time: { start: { utc: new Date('2026-03-05T12:00:00Z') }, end: { utc: '2026-03-05T13:00:00Z' } }, title: 'Lunch' },
});

test('every case gives what is written', { skip: folder ? false : 'CALSYNC_SCENARIO does not say where it is' }, () => {
  const { cases, events } = JSON.parse(readFileSync(join(folder, 'parts.json'), 'utf8'));
  for (const { name, call, args, at: paths, gives, fails = false } of cases) {
    const { pipeline, ...rest } = filled(args, events);
    let answer;
    try {
      // The names in a pipeline stay.
      answer = FUNCTIONS[call]({ ...named(rest), ...(pipeline && { pipeline }) });
      assert.ok(!fails, name);
    } catch (error) {
      if (!fails || !(error instanceof calsync.CalsyncError)) throw error;
      answer = error;
    }
    assert.deepEqual(
      paths.map((path) => at(answer, path)),
      gives,
      name,
    );
  }
});

test('a thousand at once, from anything that can be gone through', () => {
  const many = function* (value) {
    for (let number = 0; number < 1000; number += 1) yield value;
  };
  const { decisions, held } = calsync.plan(many({ base: lunch(), remoteGone: 'reported' }));
  assert.deepEqual([decisions.length, decisions[999].action, held], [1000, 'delete-local', true]);
  const copies = calsync.transformMany(many(lunch()), { pipeline: { start: { type: 'bare' } }, uidSalt: 'pepper' });
  assert.ok(copies.length === 1000 && copies.every(({ event }) => event.master.title === 'Busy'));
});

test('times may be dates, and the answer has names of JavaScript', () => {
  const [start, end] = [new Date('2026-03-05T00:00:00Z'), new Date('2026-03-06T00:00:00Z')];
  const { busy, calendars } = calsync.availability([{ calendar: 'own', events: [lunch()], asOf: start }], { start, end, now: end });
  assert.deepEqual(busy, [{ start: '2026-03-05T12:00:00Z', end: '2026-03-05T13:00:00Z', kind: 'busy' }]);
  assert.deepEqual([calendars[0].ageSeconds, calendars[0].coversWindow], [86400, true]);
});

test('what cannot be an argument is refused without its text', () => {
  const pipeline = { steps: [{ name: 'x', filter: { type: 'very secret' } }] };
  assert.throws(
    () => calsync.transform(lunch(), { pipeline, uidSalt: 'pepper' }),
    (error) => error.code === 'invalid-input' && !error.message.includes('secret'),
  );
});
