// Google's own client for Node against the Google emulator: signing in, renewing, and ordinary work.
//
// Usage: google_client.mjs URL
import assert from 'node:assert/strict';

import { auth, calendar as service } from '@googleapis/calendar';

const url = process.argv[2];
const redirect = 'http://127.0.0.1:4711/';
const oauth = new auth.OAuth2({
  clientId: 'calsync',
  redirectUri: redirect,
  endpoints: {
    oauth2AuthBaseUrl: `${url}o/oauth2/v2/auth`,
    oauth2TokenUrl: `${url}token`,
    oauth2RevokeUrl: `${url}revoke`,
  },
});

// The code flow with PKCE, as the library does it; the emulated person allows everything.
const { codeVerifier, codeChallenge } = await oauth.generateCodeVerifierAsync();
const asked = oauth.generateAuthUrl({
  access_type: 'offline',
  prompt: 'consent',
  scope: ['openid', 'https://www.googleapis.com/auth/calendar.events'],
  state: 'kept',
  code_challenge_method: 'S256',
  code_challenge: codeChallenge,
});
const back = new URL((await fetch(asked, { redirect: 'manual' })).headers.get('location'));
assert.equal(back.searchParams.get('state'), 'kept');
const code = back.searchParams.get('code');
await assert.rejects(oauth.getToken({ code, codeVerifier: `${codeVerifier.slice(0, -1)}~` }), /invalid_grant/);
const { tokens } = await oauth.getToken({ code, codeVerifier });
assert.ok(tokens.access_token && tokens.refresh_token && tokens.expiry_date > Date.now());
oauth.setCredentials(tokens);

const calendar = service({ version: 'v3', auth: oauth, rootUrl: url });
const calendarId = 'primary';
const statusOf = (promise) => promise.then(({ status }) => status, (error) => Number(error.status ?? error.code));

const list = await calendar.calendarList.list();
assert.ok(list.data.items.some((entry) => entry.primary));

// A client-chosen id can be used once.
const event = {
  id: 'nodejs0001',
  summary: 'from node',
  start: { dateTime: '2026-03-02T09:00:00', timeZone: 'Europe/Berlin' },
  end: { dateTime: '2026-03-02T10:00:00', timeZone: 'Europe/Berlin' },
  recurrence: ['RRULE:FREQ=WEEKLY;COUNT=3'],
  extendedProperties: { private: { calsync: 'x' } },
};
const made = await calendar.events.insert({ calendarId, requestBody: event });
assert.equal(made.data.id, event.id);
assert.equal(await statusOf(calendar.events.insert({ calendarId, requestBody: event })), 409);

// Listing to the last page, and from its token on.
const question = { calendarId, singleEvents: false, showDeleted: true, maxResults: 1 };
const pull = async (from) => {
  const items = [];
  for (let pageToken; ; ) {
    const { data } = await calendar.events.list({ ...question, ...from, pageToken });
    items.push(...data.items);
    if (!data.nextPageToken) {
      return { items, syncToken: data.nextSyncToken };
    }
    assert.equal(data.nextSyncToken, undefined);
    pageToken = data.nextPageToken;
  }
};
const { items, syncToken } = await pull({});
assert.ok(syncToken && items.some((item) => item.id === event.id));
assert.equal(await statusOf(calendar.events.list({ ...question, syncToken, timeMin: '2026-01-01T00:00:00Z' })), 400);
assert.equal(await statusOf(calendar.events.list({ ...question, syncToken: 'made-up' })), 410);

// The version that was read, and none but it.
const { etag } = made.data;
const patch = { calendarId, eventId: event.id, requestBody: { location: 'here' } };
const patched = await calendar.events.patch(patch, { headers: { 'If-Match': etag } });
assert.equal(patched.data.location, 'here');
assert.equal(await statusOf(calendar.events.patch(patch, { headers: { 'If-Match': etag } })), 412);

// One instance is cancelled, and comes as what is guaranteed of it.
const instances = await calendar.events.instances({ calendarId, eventId: event.id });
assert.equal(instances.data.items.length, 3);
await calendar.events.delete({ calendarId, eventId: instances.data.items[1].id });
const delta = await pull({ syncToken });
const cancelled = delta.items.find((item) => item.status === 'cancelled');
assert.equal(cancelled.recurringEventId, event.id);
assert.ok(cancelled.originalStartTime);

const channel = await calendar.events.watch({
  calendarId,
  requestBody: { id: 'node-channel', type: 'web_hook', address: 'https://example.com/hook', token: 'shh' },
});
assert.ok(channel.data.resourceId && Number(channel.data.expiration) > 0);
const { id, resourceId } = channel.data;
assert.equal(await statusOf(calendar.channels.stop({ requestBody: { id, resourceId } })), 204);
assert.equal(await statusOf(calendar.channels.stop({ requestBody: { id, resourceId } })), 404);

// A token that ran out is renewed by the library before it asks.
oauth.setCredentials({ ...tokens, expiry_date: Date.now() - 1000 });
await calendar.events.delete({ calendarId, eventId: event.id });
assert.notEqual(oauth.credentials.access_token, tokens.access_token);
assert.equal(oauth.credentials.refresh_token, tokens.refresh_token);

await oauth.revokeToken(tokens.refresh_token);
oauth.setCredentials({ refresh_token: tokens.refresh_token });
await assert.rejects(calendar.events.list({ calendarId }), /invalid_grant/);
console.log('google client for node: ok');
