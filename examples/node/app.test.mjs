// A day of the studio, against a CalDAV server. The phone is another calsync on the same account.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Engine } from 'calsync';
import { application } from './app.mjs';

const { CALDAV_URL, CALDAV_USER, CALDAV_PASSWORD } = process.env;

async function studio(t) {
  const folder = mkdtempSync(join(tmpdir(), 'studio-'));
  const { app, close } = await application(join(folder, 'studio.db'), { pushToken: 'given' });
  const server = app.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(async () => {
    server.closeAllConnections();
    server.close();
    await close();
    rmSync(folder, { recursive: true });
  });
  const url = `http://127.0.0.1:${server.address().port}`;
  return async (method, path, body, headers = {}) => {
    const sent = { method, headers: { 'content-type': 'application/json', ...headers }, body: JSON.stringify(body) };
    const response = await fetch(url + path, sent);
    const text = await response.text();
    return { status: response.status, body: text.startsWith('{') || text.startsWith('[') ? JSON.parse(text) : null };
  };
}

async function phone() {
  const engine = new Engine();
  await engine.putCalendar({ id: 'phone', name: 'Phone' });
  const account = { url: CALDAV_URL, username: CALDAV_USER, secret: CALDAV_PASSWORD, trustAddress: true };
  await engine.connect('account', { provider: 'caldav', ...account });
  const [remote] = await engine.remoteCalendars('account');
  await engine.addLink('phone', { calendar: 'phone', connection: 'account', remote: remote.id });
  return engine;
}

async function rename(engine, title, next) {
  const stored = (await engine.events('phone')).find(({ event }) => event.master.title === title);
  const event = { ...stored.event, master: { ...stored.event.master, title: next } };
  await engine.updateEvent('phone', stored.id, stored.revision, event);
  await engine.sync('phone');
}

test('a day', async (t) => {
  const ask = await studio(t);
  const other = await phone();
  const lessons = async () => (await ask('GET', '/lessons')).body;
  const titled = async (title) => (await lessons()).find((lesson) => lesson.title === title);

  for (const [hour, title] of [['09', 'Yoga'], ['10', 'Pilates'], ['11', 'Dance']]) {
    const times = { start: `2026-05-04T${hour}:00:00`, end: `2026-05-04T${hour}:45:00` };
    assert.equal((await ask('POST', '/lessons', { title, ...times })).status, 201);
  }
  const account = { url: CALDAV_URL, username: CALDAV_USER, password: CALDAV_PASSWORD, trustAddress: true };
  assert.equal((await ask('POST', '/account', account)).body.went, 3);
  assert.equal((await other.sync('phone')).counts.created, 3);
  await ask('PUT', `/lessons/${(await titled('Yoga')).id}/teacher`, { teacher: 'Kim' });

  await rename(other, 'Pilates', 'Pilates, mats');
  assert.equal((await ask('POST', '/notifications')).status, 403);
  assert.equal((await ask('POST', '/notifications', undefined, { 'x-push-token': 'given' })).status, 204);
  const day = (await ask('GET', '/lessons?day=2026-05-04')).body;
  assert.deepEqual(day.map(({ title }) => title), ['Dance', 'Pilates, mats', 'Yoga']);
  assert.deepEqual((await ask('GET', '/lessons?day=2026-05-05')).body, []);

  const yoga = await titled('Yoga');
  const change = { title: 'Yoga, gentle', revision: yoga.revision };
  assert.equal((await ask('PUT', `/lessons/${yoga.id}/title`, change)).status, 204);
  assert.equal((await ask('PUT', `/lessons/${yoga.id}/title`, change)).status, 409);
  await rename(other, 'Yoga', 'Yoga, strong');
  assert.equal((await ask('POST', '/sync')).body.conflicts, 1);
  const [conflict] = (await ask('GET', '/conflicts')).body;
  assert.deepEqual(conflict.fields, [{ field: 'title', here: 'Yoga, gentle', there: 'Yoga, strong' }]);
  const answered = await ask('POST', `/conflicts/${conflict.id}`, { take: 'local', by: 'the studio' });
  assert.equal(answered.body.went, 1);
  await other.sync('phone');
  assert.ok((await other.events('phone')).some(({ event }) => event.master.title === 'Yoga, gentle'));
  assert.equal((await titled('Yoga, gentle')).teacher, 'Kim');

  for (const { id, revision } of await other.events('phone')) await other.deleteEvent('phone', id, revision);
  const { planId } = await other.sync('phone');
  await other.sync('phone', { approve: planId });
  const held = (await ask('POST', '/sync')).body;
  assert.deepEqual([held.held, (await lessons()).length], [3, 3]);
  assert.equal((await ask('POST', `/sync?approve=${held.plan}`)).body.came, 3);
  assert.deepEqual(await lessons(), []);
  const undone = (await ask('POST', '/undo')).body;
  assert.deepEqual([undone.restored, undone.went], [3, 3]);
  assert.equal((await other.sync('phone')).counts.created, 3);
  await other.close();
});

test('what it says of an error is typed', async (t) => {
  const ask = await studio(t);
  const { status, body } = await ask('POST', '/sync');
  assert.deepEqual([status, body.code], [400, 'unknown-link']);
});
