// Microsoft's own client for JavaScript against the emulator of Graph: signing in by hand, and ordinary work.
//
// Usage: graph_client.mjs URL, the root of the server with a slash
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { createServer } from 'node:http';

import { BatchRequestContent, BatchResponseContent, Client, HTTPMessageHandler } from '@microsoft/microsoft-graph-client';

const url = process.argv[2];
const login = `${url}common/oauth2/v2.0/`;
const redirect = 'http://localhost:4711/';

// MSAL speaks to nothing but https, so this is what it does, done by hand.
const verifier = randomBytes(32).toString('base64url');
const query = new URLSearchParams({
  client_id: 'calsync',
  response_type: 'code',
  redirect_uri: redirect,
  scope: 'openid offline_access Calendars.ReadWrite',
  state: 'kept',
  code_challenge: createHash('sha256').update(verifier).digest('base64url'),
  code_challenge_method: 'S256',
});
const back = new URL((await fetch(`${login}authorize?${query}`, { redirect: 'manual' })).headers.get('location'));
const token = async (form) => {
  const body = new URLSearchParams({ client_id: 'calsync', ...form });
  const answer = await fetch(`${login}token`, { method: 'POST', body });
  return { status: answer.status, body: await answer.json() };
};
const code = { grant_type: 'authorization_code', code: back.searchParams.get('code'), redirect_uri: redirect };
assert.equal((await token({ ...code, code_verifier: 'x'.repeat(43) })).body.error, 'invalid_grant');
const first = await token({ ...code, code_verifier: verifier });
assert.equal(first.status, 200);
// Microsoft sends a new refresh token each time, and the old one stays good.
const renewed = await token({ grant_type: 'refresh_token', refresh_token: first.body.refresh_token });
assert.notEqual(renewed.body.refresh_token, first.body.refresh_token);
const again = await token({ grant_type: 'refresh_token', refresh_token: first.body.refresh_token });
assert.equal(again.status, 200);

// The client leaves the token out of requests that are not https; everything else of it is as it comes.
class Authorized {
  #next = new HTTPMessageHandler();

  async execute(context) {
    const headers = new Headers(context.request instanceof Request ? context.request.headers : context.options?.headers);
    headers.set('Authorization', `Bearer ${again.body.access_token}`);
    context.options = { ...context.options, headers };
    await this.#next.execute(context);
  }
}
const client = Client.initWithMiddleware({
  baseUrl: url,
  customHosts: new Set(['127.0.0.1']),
  middleware: new Authorized(),
});
// The client takes links apart when they are https, and not otherwise.
const pathOf = (link) => link.slice(`${url}v1.0`.length);
const immutable = (request) => request.header('Prefer', 'IdType="ImmutableId"');

const calendars = await client.api('/me/calendars').get();
const { id: calendar } = calendars.value.find((entry) => entry.isDefaultCalendar);

const window = { startDateTime: '2026-01-01T00:00:00Z', endDateTime: '2026-12-31T00:00:00Z' };
let delta = await immutable(client.api(`/me/calendars/${calendar}/calendarView/delta`)).query(window).get();
while (delta['@odata.nextLink']) {
  delta = await immutable(client.api(pathOf(delta['@odata.nextLink']))).get();
}
assert.ok(delta['@odata.deltaLink']);

const event = {
  subject: 'from node',
  start: { dateTime: '2026-03-02T09:00:00', timeZone: 'W. Europe Standard Time' },
  end: { dateTime: '2026-03-02T10:00:00', timeZone: 'W. Europe Standard Time' },
  recurrence: {
    pattern: { type: 'weekly', interval: 1, daysOfWeek: ['monday'], firstDayOfWeek: 'monday' },
    range: { type: 'numbered', startDate: '2026-03-02', numberOfOccurrences: 3 },
  },
  transactionId: '11111111-1111-1111-1111-111111111111',
};
const made = await immutable(client.api(`/me/calendars/${calendar}/events`)).post(event);
const path = `/me/events/${encodeURIComponent(made.id)}`;
const read = await immutable(client.api(path)).get();
assert.equal(read.recurrence.pattern.type, 'weekly');

const patched = await immutable(client.api(path)).header('If-Match', read['@odata.etag']).patch({ subject: 'changed' });
assert.equal(patched.subject, 'changed');
const stale = immutable(client.api(path)).header('If-Match', read['@odata.etag']).patch({ subject: 'late' });
await assert.rejects(stale, (error) => error.statusCode === 412);

delta = await immutable(client.api(pathOf(delta['@odata.deltaLink']))).get();
const rows = delta.value.filter((row) => row.id === made.id || row.seriesMasterId === made.id);
assert.ok(rows.length >= 3, JSON.stringify(delta.value));

const batch = new BatchRequestContent([
  { id: '1', request: new Request(`${url}me/events/${encodeURIComponent(made.id)}`, { method: 'GET' }) },
  { id: '2', request: new Request(`${url}me/events/nothing`, { method: 'GET' }) },
]);
const content = await batch.getContent();
const answers = await client.api('/$batch').post(content);
const statuses = Object.fromEntries(answers.responses.map(({ id, status }) => [id, status]));
assert.deepEqual(statuses, { 1: 200, 2: 404 });

// Writes in a batch: each with its own condition and its own answer; what depends on one that failed is not tried.
const inBatch = (id, method, below, body, headers = {}, dependsOn = undefined) => {
  const init = { method, headers: { 'Content-Type': 'application/json', Prefer: 'IdType="ImmutableId"', ...headers } };
  const request = new Request(`${url}me/${below}`, body ? { ...init, body: JSON.stringify(body) } : init);
  return { id, request, dependsOn };
};
const send = async (...parts) => {
  const sent = await client.api('/$batch').post(await new BatchRequestContent(parts).getContent());
  const found = new BatchResponseContent(sent);
  return Promise.all(parts.map(async ({ id }) => {
    const response = found.getResponseById(id);
    return { status: response.status, body: response.status === 204 ? null : await response.json() };
  }));
};
const single = { subject: 'in a batch', start: event.start, end: event.end, transactionId: 'batch-1' };
const held = `events/${encodeURIComponent(made.id)}`;
const written = await send(
  inBatch('new', 'POST', `calendars/${encodeURIComponent(calendar)}/events`, single),
  inBatch('stale', 'PATCH', held, { subject: 'late' }, { 'If-Match': read['@odata.etag'] }),
  inBatch('bad', 'POST', 'events', { subject: 'without a time' }),
  inBatch('read', 'GET', held),
);
assert.deepEqual(written.map(({ status }) => status), [201, 412, 400, 200]);
assert.equal(written[0].body.subject, 'in a batch');
assert.equal(written[1].body.error.code, 'ErrorIrresolvableConflict');
assert.equal(written[3].body.subject, 'changed');
const chain = await send(
  inBatch('first', 'PATCH', 'events/nothing', { subject: 'x' }),
  inBatch('second', 'DELETE', `events/${encodeURIComponent(written[0].body.id)}`, null, {}, ['first']),
);
assert.deepEqual(chain.map(({ status }) => status), [404, 424]);
const gone = await send(inBatch('gone', 'DELETE', `events/${encodeURIComponent(written[0].body.id)}`));
assert.equal(gone[0].status, 204);
const many = { requests: Array.from({ length: 21 }, (_, id) => ({ id: `${id}`, method: 'GET', url: '/me/calendars' })) };
await assert.rejects(client.api('/$batch').post(many), (error) => error.statusCode === 400);

await immutable(client.api(path)).delete();
await assert.rejects(immutable(client.api(path)).get(), (error) => error.statusCode === 404);
delta = await immutable(client.api(pathOf(delta['@odata.deltaLink']))).get();
assert.ok(delta.value.some((row) => row['@removed'] && row.id === made.id), JSON.stringify(delta.value));
// Subscriptions: an address that does not shake hands is refused; one that does is granted, called, prolonged and let go.
const calls = [];
let wrong = true;
const listener = createServer((request, response) => {
  const asked = new URL(request.url, 'http://localhost').searchParams.get('validationToken');
  let body = '';
  request.on('data', (chunk) => { body += chunk; });
  request.on('end', () => {
    if (asked === null) {
      calls.push(JSON.parse(body));
      response.writeHead(202).end();
    } else {
      response.writeHead(200, { 'Content-Type': 'text/plain' }).end(wrong ? 'something else' : asked);
    }
  });
});
await new Promise((resolve) => { listener.listen(0, '127.0.0.1', resolve); });
const address = `http://127.0.0.1:${listener.address().port}/`;
// The emulator's own clock stands.
const until = (minutes) => new Date(Date.parse('2026-01-05T12:00:00Z') + minutes * 60_000).toISOString();
const wanted = {
  changeType: 'created,updated,deleted',
  notificationUrl: address,
  lifecycleNotificationUrl: address,
  resource: `me/calendars/${calendar}/events`,
  expirationDateTime: until(60),
  clientState: 'kept secret',
};
await assert.rejects(immutable(client.api('/subscriptions')).post(wanted), (error) => error.statusCode === 400);
wrong = false;
const tooLong = { ...wanted, expirationDateTime: until(20_000) };
await assert.rejects(client.api('/subscriptions').post(tooLong), (error) => error.statusCode === 400);
const subscription = await immutable(client.api('/subscriptions')).post(wanted);
assert.ok(subscription.id && subscription.resource === wanted.resource, JSON.stringify(subscription));
const arrived = async (count) => {
  for (let tries = 0; calls.length < count && tries < 500; tries += 1) {
    await new Promise((resolve) => { setTimeout(resolve, 10); });
  }
  assert.equal(calls.length, count, JSON.stringify(calls));
  return calls.at(-1).value[0];
};
const { id: told } = await immutable(client.api(`/me/calendars/${calendar}/events`)).post({ ...single, transactionId: 'told' });
const notification = await arrived(1);
assert.equal(notification.subscriptionId, subscription.id);
assert.equal(notification.clientState, 'kept secret');
assert.equal(notification.changeType, 'created');
assert.equal(notification.resourceData.id, told, 'the ids are of the kind that was asked for when it was made');
const longer = until(120);
const prolonged = await client.api(`/subscriptions/${subscription.id}`).patch({ expirationDateTime: longer });
assert.equal(Date.parse(prolonged.expirationDateTime), Math.floor(Date.parse(longer) / 1000) * 1000);
await client.api(`/subscriptions/${subscription.id}/reauthorize`).post({});
const listed = await client.api('/subscriptions').get();
assert.deepEqual(listed.value.map(({ id }) => id), [subscription.id]);
// Who is still told of a change shows that nobody else is: one subscriber is called after the other, the older one first.
const still = await immutable(client.api('/subscriptions')).post({ ...wanted, clientState: 'the other' });
await client.api(`/subscriptions/${subscription.id}`).delete();
await assert.rejects(client.api(`/subscriptions/${subscription.id}`).get(), (error) => error.statusCode === 404);
await immutable(client.api(`/me/events/${encodeURIComponent(told)}`)).delete();
const last = await arrived(2);
assert.deepEqual([last.subscriptionId, last.clientState, last.changeType], [still.id, 'the other', 'deleted']);
await client.api(`/subscriptions/${still.id}`).delete();
listener.close();
console.log('graph client for node: ok');
