// HTTP written in JavaScript, and everything it can do wrong.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CalDavEmulator, CalsyncError, Engine, GoogleEmulator, StoreUnavailable, TransportError, publicAddresses, write } from '../index.mjs';
import { Network } from './network.mjs';
import { meeting, titles } from './support.mjs';

const FEED = new TextEncoder().encode(write([meeting('a', 'Review')], { stamp: new Date('2026-01-01') }));
const URL_ = 'https://feeds.example.com/never-shown.ics';

const served = (status = 200, body = FEED) => ({ status, headers: [['Content-Type', 'text/calendar'], ['not a name', 'x']], body });

/** An engine that imports a feed over a transport with this method. */
async function linked(send, options = {}) {
  const engine = new Engine(':memory:', { transport: { send }, ...options });
  await engine.putCalendar({ id: 'family', name: 'Family' });
  await engine.connect('feed', { provider: 'ics', url: URL_ });
  await engine.addLink('feed', { calendar: 'family', connection: 'feed', direction: 'import' });
  return engine;
}

const failed = async (send, options) => {
  const engine = await linked(send, options);
  return engine.sync('feed').then(assert.fail, (error) => error);
};

for (const Emulator of [CalDavEmulator, GoogleEmulator]) {
  test(`a ${Emulator.name} is synced over it`, async () => {
    const emulator = new Emulator();
    const network = new Network();
    const [one, two] = [new Engine(':memory:', { transport: network }), new Engine()];
    for (const engine of [one, two]) {
      await engine.putCalendar({ id: 'family', name: 'Family' });
      await engine.connect('account', emulator.account);
      const [remote] = await engine.remoteCalendars('account');
      await engine.addLink('home', { calendar: 'family', connection: 'account', remote: remote.id });
    }
    await one.addEvent('family', meeting('a@example.com', 'Frühstück'));
    assert.equal((await one.sync('home')).counts.pushed, 1);
    assert.equal((await two.sync('home')).counts.created, 1);
    assert.deepEqual(Object.values(await titles(two)), ['Frühstück']);
    const [stored] = await two.events('family');
    await two.deleteEvent('family', stored.id, stored.revision);
    await two.sync('home');
    assert.equal((await one.sync('home')).counts.deleted, 1);
    const methods = new Set(network.sent.map(({ method }) => method));
    for (const method of Emulator === CalDavEmulator ? ['PROPFIND', 'REPORT', 'PUT'] : ['GET']) assert.ok(methods.has(method), method);
    assert.ok(network.sent.every(({ addresses }) => addresses === 'all'));
    emulator.close();
  });
}

test('what is asked is what is sent', async () => {
  const asked = [];
  const engine = await linked((request) => {
    asked.push(request);
    return served();
  });
  assert.equal((await engine.sync('feed')).counts.created, 1);
  assert.deepEqual(await titles(engine), { a: 'Review' });
  const [{ headers, body, bodyMax, connectMs, stallMs, totalMs, ...rest }] = asked;
  assert.deepEqual(rest, { method: 'GET', url: URL_, addresses: 'public' });
  assert.ok(body instanceof Uint8Array && body.length === 0);
  assert.ok(headers.every((pair) => pair.length === 2));
  assert.ok(bodyMax > 1 << 20 && Math.min(connectMs, stallMs, totalMs) > 1000);
});

for (const [fault, code, retryable] of [
  ['connect', 'unavailable', true],
  ['timeout', 'unavailable', true],
  ['interrupted', 'unavailable', true],
  ['too-large', 'too-large', false],
  ['blocked', 'blocked', false],
]) {
  test(`${fault} is an error of the provider`, async () => {
    for (const send of [() => { throw new TransportError(fault); }, async () => { throw new TransportError(fault); }]) {
      const error = await failed(send);
      assert.ok(error instanceof CalsyncError);
      assert.deepEqual([error.code, error.retryable], [code, retryable]);
    }
  });
}

test('an answer of any status is one', async () => {
  assert.equal((await failed(() => served(401))).code, 'unauthorized');
});

test('a fault that is none is refused', () => {
  assert.throws(() => new TransportError('teapot'), TypeError);
  const cause = new RangeError('why');
  const error = new TransportError('connect', { cause });
  assert.deepEqual([error.name, error.fault, error.cause], ['TransportError', 'connect', cause]);
});

const thrown = new RangeError('the text may hold anything');
const odd = Object.assign(new TransportError('connect'), { fault: 'teapot' });

for (const [name, send, code] of [
  ['throws at once', () => { throw thrown; }, 'host-failed'],
  ['rejects', async () => { throw thrown; }, 'host-failed'],
  ['throws what stores do', () => { throw new StoreUnavailable(); }, 'host-failed'],
  ['throws another fault', () => { throw odd; }, 'host-failed'],
  ['gives nothing', () => undefined, 'host-type'],
  ['gives null', () => null, 'host-type'],
  ['gives a function', () => () => {}, 'host-type'],
  ['gives a text for a body', () => served(200, 'BEGIN:VCALENDAR'), 'host-type'],
  ['gives a list for a body', () => served(200, [...FEED]), 'host-type'],
  ['gives no body', () => ({ status: 200, headers: [] }), 'host-type'],
  ['gives no headers', () => ({ status: 200, body: FEED }), 'host-type'],
  ['gives an object of headers', () => ({ status: 200, headers: { a: 'b' }, body: FEED }), 'host-type'],
  ['gives a number in a header', () => ({ status: 200, headers: [['Content-Length', 7]], body: FEED }), 'host-type'],
  ['gives a status that is none', () => served(20), 'host-type'],
  ['gives a text for a status', () => served('200'), 'host-type'],
  ['gives what is no JSON', () => served(200n), 'host-type'],
]) {
  test(`a transport that ${name} is a ${code}`, async () => {
    const error = await failed(send);
    assert.ok(error instanceof CalsyncError);
    assert.deepEqual([error.code, error.item], [code, 'transport.send']);
    assert.ok(!error.message.includes('anything') && !error.message.includes('never-shown'));
    if (name === 'rejects') assert.equal(error.cause, thrown);
  });
}

test('a part of a larger buffer is a body', async () => {
  const engine = await linked(() => served(200, Buffer.concat([Buffer.from('xx'), FEED, Buffer.from('xx')]).subarray(2, -2)));
  assert.equal((await engine.sync('feed')).counts.created, 1);
});

test('what is no transport is refused at once', () => {
  assert.throws(() => new Engine(':memory:', { transport: {} }), /transport.* send/);
});

test('a call whose transport never answers can be aborted', async () => {
  const leave = new AbortController();
  const engine = await linked(() => {
    leave.abort(new Error('enough'));
    return new Promise(() => {});
  });
  await assert.rejects(engine.sync('feed', { signal: leave.signal }), /enough/);
  assert.equal((await engine.calendars()).length, 1);
});

test('a network is waited for longer than a rule', async () => {
  const engine = await linked(() => new Promise((resolve) => setImmediate(() => resolve(served()))), { patienceMs: 0 });
  assert.equal((await engine.sync('feed')).counts.created, 1);
});

test('an address at home is not even asked for', async () => {
  const asked = [];
  const engine = new Engine(':memory:', { transport: { send: (request) => asked.push(request) } });
  await engine.putCalendar({ id: 'family', name: 'Family' });
  const blocked = async () => {
    await engine.connect('feed', { provider: 'ics', url: 'http://10.0.0.1/a.ics' });
    await engine.addLink('feed', { calendar: 'family', connection: 'feed', direction: 'import' });
    await engine.sync('feed');
  };
  await assert.rejects(blocked(), { code: 'blocked' });
  assert.deepEqual(asked, []);
});

test('addresses of the public internet', () => {
  const given = ['8.8.8.8', '10.0.0.1', '::ffff:127.0.0.1', '2606:4700::1111', 'fe80::1%eth0', 'example.com', ''];
  assert.deepEqual(publicAddresses(given), ['8.8.8.8', '2606:4700::1111']);
  assert.deepEqual(publicAddresses(new Set(given.slice(1, 3))), []);
});

test('what the network of the tests says when there is no answer', async () => {
  const emulator = new CalDavEmulator();
  const request = { method: 'GET', headers: [], body: new Uint8Array(), addresses: 'all', bodyMax: 1 << 20, connectMs: 1000, stallMs: 1000, totalMs: 1000 };
  const { url } = emulator.account;
  const network = new Network();
  assert.ok((await network.send({ ...request, url })).status > 0);
  await assert.rejects(network.send({ ...request, url, addresses: 'public' }), { fault: 'blocked' });
  emulator.close();
  await assert.rejects(network.send({ ...request, url, headers: [['Connection', 'close']] }), TransportError);
});
