// A day of the studio, against a CalDAV server. The phone is another calsync on the same account.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { CalDavEmulator, Engine } from 'calsync';
import { application } from './app.mjs';
import { SqliteStore, connect } from './store.mjs';

const { CALDAV_URL, CALDAV_USER, CALDAV_PASSWORD } = process.env;

const folder = mkdtempSync(join(tmpdir(), 'studio-'));
after(() => rmSync(folder, { recursive: true }));
const place = () => join(folder, `${randomUUID()}.db`);

async function studio(t, file = place(), options = { pushToken: 'given', trustAddress: true }) {
  const { app, close } = await application(file, options);
  const server = app.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(async () => {
    server.closeAllConnections();
    server.close();
    await close();
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
  const account = { url: CALDAV_URL, username: CALDAV_USER, password: CALDAV_PASSWORD };
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

function emulator(t) {
  const server = new CalDavEmulator();
  t.after(() => server.close());
  const { url, username, secret } = server.account;
  return { url, username, password: secret };
}

test('who types an address in cannot have it trusted', async (t) => {
  const ask = await studio(t, place(), {});
  const { status, body } = await ask('POST', '/account', { ...emulator(t), trustAddress: true });
  assert.equal(status, 400, JSON.stringify(body));
});

test('a calendar that was chosen is not chosen anew', async (t) => {
  const account = emulator(t);
  const file = place();
  for (const which of ['first', 'after a restart']) {
    const ask = await studio(t, file);
    assert.equal((await ask('POST', '/account', account)).body.calendar, 'Personal', which);
  }
  const rows = connect(file);
  rows.prepare('UPDATE accounts SET remote = ?').run('/another/');
  rows.close();
  const ask = await studio(t, file);
  const { status, body } = await ask('POST', '/account', account);
  assert.equal(status, 422);
  assert.match(body.message, /not there any more/);
});

test('an event without a master is not renamed', async (t) => {
  const file = place();
  const ask = await studio(t, file);
  const event = { uid: 'a', overrides: { 20260501: 'excluded' } };
  const put = { op: 'put-event', calendar: 'studio', id: 'a', event, at: '2026-04-01T00:00:00Z' };
  const rows = connect(file);
  new SqliteStore(rows).commit({ batch: { lease: null, expect: [], writes: [put] } });
  rows.close();
  const [before] = (await ask('GET', '/lessons')).body;
  const { status, body } = await ask('PUT', '/lessons/a/title', { title: 'Yoga', revision: before.revision });
  assert.equal(status, 422, JSON.stringify(body));
  assert.deepEqual((await ask('GET', '/lessons')).body, [before]);
});
