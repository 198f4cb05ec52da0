// Providers on this machine, for the tests of hosts.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CalDavEmulator, Engine, GoogleEmulator, MicrosoftEmulator } from '../index.mjs';
import { meeting, titles } from './support.mjs';

async function joined(emulator) {
  const engine = new Engine();
  await engine.putCalendar({ id: 'family', name: 'Family' });
  await engine.connect('account', emulator.account);
  const [remote] = await engine.remoteCalendars('account');
  await engine.addLink('home', { calendar: 'family', connection: 'account', remote: remote.id });
  return engine;
}

for (const Emulator of [CalDavEmulator, GoogleEmulator, MicrosoftEmulator]) {
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

  test(`a ${Emulator.name} wants its secret, and ends`, async () => {
    const emulator = new Emulator({ secret: 'never shown' });
    const engine = new Engine();
    await engine.connect('stranger', { ...emulator.account, secret: 'another' });
    await assert.rejects(engine.remoteCalendars('stranger'), { code: 'unauthorized' });
    await engine.connect('account', emulator.account);
    assert.equal((await engine.remoteCalendars('account')).length, 1);
    emulator.close();
    await assert.rejects(engine.remoteCalendars('account'), { retryable: true });
  });
}
