// The scenario of `bindings/scenario.json`, through the methods and values of this one: the results are those of Rust. It is played
// against emulators, and against the Radicale at CALSYNC_SCENARIO_RADICALE.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { CalDavEmulator, CalsyncError, Engine, GoogleEmulator, MicrosoftEmulator } from '../index.mjs';
import { at, camel, filled, named } from './support.mjs';
import { MapStore } from './map-store.mjs';

const { CALSYNC_SCENARIO: folder, CALSYNC_SCENARIO_RADICALE: address } = process.env;

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

/** A calendar of a Radicale that runs elsewhere, spoken to in plain HTTP. */
class Radicale {
  static async emptied(address) {
    const { protocol, host, pathname, username, password } = new URL(address);
    const server = new Radicale();
    server.root = `${protocol}//${host}`;
    server.calendar = pathname;
    server.account = { provider: 'caldav', url: server.root + pathname, username, secret: password };
    for (const id of Object.keys(await server.items())) await server.delete(id);
    return server;
  }

  async ask(method, path, body) {
    const { username, secret } = this.account;
    const headers = {
      authorization: `Basic ${Buffer.from(`${username}:${secret}`).toString('base64')}`,
      depth: '1',
      'content-type': 'text/calendar; charset=utf-8',
    };
    const answer = await fetch(this.root + path, { method, headers, body });
    assert.ok(answer.ok, `${method} ${path}: ${answer.status}`);
    return answer.text();
  }

  async items() {
    const listed = await this.ask('PROPFIND', this.calendar);
    const items = {};
    for (const [, path] of listed.matchAll(/href>([^<]*\.ics)</g)) items[path] = await this.ask('GET', path);
    return items;
  }

  put(item, id) {
    return this.ask('PUT', id, item);
  }

  delete(id) {
    return this.ask('DELETE', id);
  }
}

/** What somebody else does at the server. The text is in one item. */
async function act(server, { there, find, into }, refuse) {
  if (there === 'refuse') {
    // A server nobody can tell refuses what is too large.
    if (!(server instanceof Radicale)) server.tell(refuse);
    return;
  }
  const found = Object.entries(await server.items()).filter(([, item]) => item.includes(find));
  assert.equal(found.length, 1, find);
  const [[id, item]] = found;
  if (there === 'change') {
    await server.put(item.replaceAll(find, into), id);
  } else {
    assert.equal(there, 'delete');
    await server.delete(id);
  }
}

async function played(provider, server) {
  const read = (name) => JSON.parse(readFileSync(join(folder, name), 'utf8'));
  const { providers, steps } = read('scenario.json');
  const { refuse, notes } = providers[provider];
  const { provider: kind, url, username: user, secret: password } = server.account;
  const kept = { provider: kind, url, user, password, notes: 'n'.repeat(notes) };
  const engines = { one: new Engine(new MapStore()), two: new Engine() };
  const shown = {};
  for (const step of steps) {
    if (step.there) {
      await act(server, step, refuse);
      continue;
    }
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
  const { everywhere, differently } = read('scenario.expected.json');
  assert.deepEqual(shown, { ...everywhere, ...differently[provider]?.results });
}

const skip = folder ? false : 'CALSYNC_SCENARIO does not say where it is';
for (const Emulator of [CalDavEmulator, GoogleEmulator, MicrosoftEmulator]) {
  test(`it gives what is written at a ${Emulator.name}`, { skip }, async () => {
    const emulator = new Emulator();
    await played(emulator.account.provider, emulator);
    emulator.close();
  });
}

const without = address ? skip : 'CALSYNC_SCENARIO_RADICALE does not say where one is';
test('it gives what is written at a Radicale', { skip: without }, async () => {
  await played('radicale', await Radicale.emptied(address));
});
