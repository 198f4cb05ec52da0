// Providers on this machine, for the tests of hosts.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CalDavEmulator, CalsyncError, CoziEmulator, Engine, GoogleEmulator, IcsEmulator, MicrosoftEmulator } from '../index.mjs';
import { meeting, titles } from './support.mjs';

const WRITABLE = [CalDavEmulator, GoogleEmulator, MicrosoftEmulator];

const invalid = (error) => error instanceof CalsyncError && error.code === 'invalid-input';

async function joined(emulator, options = {}) {
  const engine = new Engine();
  await engine.putCalendar({ id: 'family', name: 'Family' });
  await engine.connect('account', emulator.account);
  const [remote] = await engine.remoteCalendars('account');
  await engine.addLink('home', { calendar: 'family', connection: 'account', remote: remote.id, ...options });
  return engine;
}

for (const Emulator of WRITABLE) {
  test(`two hosts meet at a ${Emulator.name}`, async () => {
    const emulator = new Emulator();
    const [one, two] = [await joined(emulator), await joined(emulator)];
    await one.addEvent('family', meeting('a@example.com', 'Breakfast'));
    assert.equal((await one.sync('home')).counts.pushed, 1);
    assert.equal((await two.sync('home')).counts.created, 1);
    assert.deepEqual(Object.values(await titles(two)), ['Breakfast']);
    const [stored] = await two.events('family');
    await two.deleteEvent('family', stored.id, stored.revision);
    await two.sync('home');
    assert.equal((await one.sync('home')).counts.deleted, 1);
    emulator.close();
  });

  test(`somebody else acts at a ${Emulator.name}`, async () => {
    const emulator = new Emulator();
    const engine = await joined(emulator);
    for (const [uid, title] of [['a@example.com', 'Breakfast'], ['b@example.com', 'Dentist']]) {
      await engine.addEvent('family', meeting(uid, title));
    }
    await engine.sync('home');
    const items = emulator.items();
    const of = (title) => Object.keys(items).find((id) => items[id].includes(title));
    const [breakfast, dentist] = [of('Breakfast'), of('Dentist')];
    assert.equal(emulator.put(items[breakfast].replaceAll('Breakfast', 'Brunch'), breakfast), breakfast);
    emulator.delete(dentist);
    const { counts } = await engine.sync('home');
    assert.deepEqual([counts.updated, counts.deleted], [1, 1]);
    assert.deepEqual(await titles(engine), { 'a@example.com': 'Brunch' });
    const copy = emulator.items()[breakfast].replaceAll('Brunch', 'Lunch').replaceAll('a@example.com', 'c@example.com');
    assert.notEqual(emulator.put(copy), breakfast);
    assert.equal(Object.keys(emulator.items()).length, 2);
    emulator.tell('fault status=503');
    await assert.rejects(engine.sync('home'), { code: 'unavailable' });
    assert.throws(() => emulator.delete(dentist), invalid);
    assert.throws(() => emulator.tell('fault teapot'), invalid);
    emulator.close();
  });
}

test('a feed is read', async () => {
  const emulator = new IcsEmulator();
  const engine = await joined(emulator, { direction: 'import' });
  assert.equal((await engine.sync('home')).counts.created, 0);
  const event = 'UID:a@example.com\r\nDTSTAMP:20260105T120000Z\r\nDTSTART:20260301T090000Z\r\nSUMMARY:Breakfast\r\n';
  const feed = emulator.items()['calendar.ics'].replace(
    'END:VCALENDAR',
    `BEGIN:VEVENT\r\n${event}END:VEVENT\r\nEND:VCALENDAR`,
  );
  assert.equal(emulator.put(feed), 'calendar.ics');
  assert.equal((await engine.sync('home')).counts.created, 1);
  emulator.put(feed.replace('Breakfast', 'Brunch'));
  assert.equal((await engine.sync('home')).counts.updated, 1);
  assert.deepEqual(await titles(engine), { 'a@example.com': 'Brunch' });
  assert.throws(() => emulator.put(feed, 'another.ics'), invalid);
  assert.throws(() => emulator.delete('calendar.ics'), invalid);
  assert.throws(() => emulator.tell('fault status=503'), invalid);
  emulator.close();
});

test('a household at Cozi', async () => {
  const emulator = new CoziEmulator();
  const engine = await joined(emulator);
  // Only the months around the current one are read there.
  const day = new Date(Date.now() + 2 * 86_400_000).toISOString().slice(0, 10);
  const time = { start: { utc: `${day}T09:00:00Z` }, end: { utc: `${day}T10:00:00Z` } };
  await engine.addEvent('family', { uid: 'a@example.com', master: { time, title: 'Breakfast' } });
  assert.equal((await engine.sync('home')).counts.pushed, 1);
  const [[id, item]] = Object.entries(emulator.items());
  emulator.put(item.replaceAll('Breakfast', 'Brunch'), id);
  assert.equal((await engine.sync('home')).counts.updated, 1);
  assert.deepEqual(Object.values(await titles(engine)), ['Brunch']);
  emulator.delete(id);
  assert.equal((await engine.sync('home')).counts.deleted, 1);
  emulator.close();
});

for (const Emulator of [...WRITABLE, CoziEmulator, IcsEmulator]) {
  test(`a ${Emulator.name} wants its secret, and ends`, async () => {
    const emulator = new Emulator({ secret: 'never shown' });
    const engine = new Engine();
    await engine.connect('stranger', { ...emulator.account, secret: 'another' });
    await assert.rejects(engine.remoteCalendars('stranger'), { code: 'unauthorized' });
    await engine.connect('account', emulator.account);
    const [remote] = await engine.remoteCalendars('account');
    await engine.putCalendar({ id: 'family', name: 'Family' });
    await engine.addLink('home', { calendar: 'family', connection: 'account', remote: remote.id, direction: 'import' });
    emulator.close();
    await assert.rejects(engine.sync('home'), { retryable: true });
    assert.throws(() => emulator.items(), { code: 'closed' });
  });
}
