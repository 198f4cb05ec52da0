// Accounts connected by OAuth, at the authorization servers of the emulators.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { get } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { CalDavEmulator, Engine, GoogleEmulator, MasterKeys, MicrosoftEmulator, OAuthClient } from '../index.mjs';
import { MapStore } from './map-store.mjs';
import { Network } from './network.mjs';
import { meeting } from './support.mjs';

const key = (first) => Buffer.from(Array.from({ length: 32 }, (_, at) => first + at)).toString('base64');
const masterKeys = new MasterKeys('2026', { 2026: key(0) });
const redirect = 'http://127.0.0.1:4711/back';
const session = 'never shown';

/** The query a browser brings back that is sent to a URL. */
const followed = (url) =>
  new Promise((resolve, reject) => {
    get(url, { agent: false }, (answer) => {
      answer.resume();
      const back = new URL(answer.headers.location);
      assert.deepEqual([answer.statusCode, back.origin + back.pathname], [302, redirect]);
      resolve(back.search);
    }).on('error', reject);
  });

const allowed = async (engine, emulator) =>
  followed(await engine.beginOauth('account', { client: emulator.client(), session, redirect, loginHint: 'ann@example.com' }));

const signedIn = async (engine, emulator) =>
  engine.finishOauth({ client: emulator.client(), session, query: await allowed(engine, emulator) });

function connected(engine, emulator) {
  const { provider, url, trustAddress } = emulator.account;
  return engine.connect('account', { provider, url, trustAddress, client: emulator.client() });
}

async function joined(engine, emulator) {
  await signedIn(engine, emulator);
  await connected(engine, emulator);
  await engine.putCalendar({ id: 'family', name: 'Family' });
  const [remote] = await engine.remoteCalendars('account');
  await engine.addLink('home', { calendar: 'family', connection: 'account', remote: remote.id });
}

async function pushed(engine, uid) {
  await engine.addEvent('family', meeting(uid, uid));
  return (await engine.sync('home')).counts.pushed;
}

for (const Emulator of [GoogleEmulator, MicrosoftEmulator]) {
  test(`an account at a ${Emulator.name} is connected, and its tokens last`, async () => {
    const emulator = new Emulator();
    const engine = new Engine(':memory:', { masterKeys });
    emulator.tell('oauth grant=604800');
    const grant = await signedIn(engine, emulator);
    assert.deepEqual([grant.connection, grant.label, grant.missingScopes], ['account', 'ann@example.com', []]);
    assert.ok(grant.subject && Date.parse(grant.ends) > Date.now());
    await joined(engine, emulator);
    assert.equal(await pushed(engine, 'a'), 1);
    // Refused before its time, and over before it is used.
    emulator.tell('do end-access-tokens');
    assert.equal(await pushed(engine, 'b'), 1);
    emulator.tell('oauth lifetime=0');
    await signedIn(engine, emulator);
    emulator.tell('oauth lifetime=3600');
    await connected(engine, emulator);
    assert.equal(await pushed(engine, 'c'), 1);
    emulator.close();
  });

  test(`a grant that a ${Emulator.name} refuses is a person's affair until it is given again`, async () => {
    const emulator = new Emulator();
    const engine = new Engine(':memory:', { masterKeys });
    await joined(engine, emulator);
    emulator.tell('do revoke-all');
    await assert.rejects(pushed(engine, 'a'), { code: 'unauthorized', retryable: false });
    await signedIn(engine, emulator);
    assert.equal((await engine.sync('home')).counts.pushed, 1);
    emulator.tell('do end-access-tokens');
    emulator.tell('oauth outage=503:busy');
    await assert.rejects(engine.remoteCalendars('account'), { code: 'unavailable', retryable: true });
    emulator.close();
  });

  test(`a store and a network of the host are asked at a ${Emulator.name}`, async () => {
    const emulator = new Emulator();
    const network = new Network();
    const engine = new Engine(new MapStore(), { masterKeys, transport: network });
    await joined(engine, emulator);
    emulator.tell('do end-access-tokens');
    assert.equal(await pushed(engine, 'a'), 1);
    assert.equal(network.sent.filter(({ url }) => url.endsWith('/token')).length, 2);
    assert.equal(await engine.disconnect('account'), Emulator === GoogleEmulator);
    await assert.rejects(engine.sync('home'), { code: 'unknown-connection' });
    await connected(engine, emulator);
    await assert.rejects(engine.sync('home'), { code: 'unauthorized' });
    emulator.close();
  });
}

test('what comes back has to belong to what was begun', async () => {
  const emulator = new GoogleEmulator();
  const engine = new Engine(':memory:', { masterKeys });
  const client = emulator.client();
  const refused = async (code, query, options = {}) => {
    const error = await engine.finishOauth({ client, session, query, ...options }).then(assert.fail, (error) => error);
    assert.equal(error.code, code);
    for (const secret of ['code-', 'access-', 'refresh-', session]) assert.ok(!error.message.includes(secret));
  };
  await refused('oauth-state', await allowed(engine, emulator), { session: 'another' });
  const query = await allowed(engine, emulator);
  await engine.finishOauth({ client, session, query });
  await refused('oauth-state', query);
  emulator.tell('oauth person=bob@example.com');
  await refused('wrong-account', await allowed(engine, emulator));
  emulator.tell('oauth consent=deny');
  await refused('consent-denied', await allowed(engine, emulator));
  emulator.tell('oauth consent=allow');
  emulator.tell('oauth outage=400:{"error":"invalid_grant","error_codes":[90094]}');
  await refused('needs-admin', await allowed(engine, emulator));
  emulator.close();
});

test('no token, key or secret is shown', async () => {
  const client = new OAuthClient({ provider: 'google', clientId: 'me', clientSecret: 'never shown' });
  assert.equal(client.clientSecret, 'never shown');
  for (const shown of [inspect(client, { showHidden: true }), JSON.stringify(client), String(client)]) assert.ok(!shown.includes('never shown'), shown);
  for (const shown of [inspect(masterKeys, { showHidden: true }), JSON.stringify(masterKeys)]) assert.ok(!shown.includes(key(0)), shown);
  const folder = mkdtempSync(join(tmpdir(), 'calsync-'));
  const path = join(folder, 'calendar.db');
  const emulator = new GoogleEmulator();
  const engine = new Engine(path, { masterKeys });
  assert.ok(!inspect(engine, { showHidden: true, depth: 9 }).includes(key(0)));
  await joined(engine, emulator);
  await engine.close();
  const rows = readdirSync(folder).map((name) => readFileSync(join(folder, name), 'latin1')).join('');
  assert.ok(rows.includes('secrets'));
  for (const secret of ['access-', 'refresh-', 'access_token', key(0)]) assert.ok(!rows.includes(secret), secret);
  const asked = async (keys) => {
    const engine = new Engine(path, { masterKeys: keys });
    await connected(engine, emulator);
    return (await engine.remoteCalendars('account')).length;
  };
  await assert.rejects(asked(new MasterKeys('2027', { 2027: key(1) })), { code: 'invalid-input' });
  assert.equal(await asked(new MasterKeys('2027', { 2026: key(0), 2027: key(1) })), 1);
  await assert.rejects(asked(undefined), { code: 'invalid-input', item: 'account' });
  emulator.close();
  rmSync(folder, { recursive: true });
});

test('what cannot be used is said', async () => {
  const engine = new Engine(':memory:', { masterKeys });
  const own = { provider: 'mine', clientId: 'me', authorize: 'https://id.example.com/a', token: 'https://id.example.com/t' };
  const begin = (changes) => engine.beginOauth('account', { client: new OAuthClient({ ...own, ...changes }), session, redirect });
  assert.ok((await begin({})).startsWith('https://id.example.com/a?'));
  await assert.rejects(begin({ token: undefined }), { code: 'invalid-input' });
  await assert.rejects(begin({ token: 'http://id.example.com/t' }), { code: 'invalid-input' });
  await assert.rejects(engine.beginOauth('account', { client: own, session, redirect }), TypeError);
  assert.throws(() => new Engine(':memory:', { masterKeys: { current: 'a', keys: {} } }), TypeError);
  const [caldav, google] = [new CalDavEmulator(), new GoogleEmulator()];
  assert.throws(() => caldav.client(), { code: 'invalid-input' });
  const { provider, url, trustAddress } = caldav.account;
  await assert.rejects(engine.connect('dav', { provider, url, trustAddress, client: google.client() }), { code: 'unsupported' });
  caldav.close();
  google.close();
});
