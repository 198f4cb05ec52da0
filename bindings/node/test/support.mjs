// What several tests begin with: a CalDAV server of the testkit, the program named by CALSYNC_DAV_SERVER.
import { spawn } from 'node:child_process';
import { once } from 'node:events';

export const USER = 'ada';
export const PASSWORD = 'never shown';

/** Starts a server with a calendar `Personal`; it ends with the test. */
export async function server(test) {
  const running = spawn(
    process.env.CALSYNC_DAV_SERVER,
    ['--user', USER, '--password', PASSWORD, '--calendar', 'personal=Personal'],
    { stdio: ['pipe', 'pipe', 'inherit'] },
  );
  test.after(() => running.kill());
  const [line] = await once(running.stdout, 'data');
  return line.toString().trim();
}

export const account = (url) => ({
  provider: 'caldav',
  url,
  username: USER,
  secret: PASSWORD,
  trustAddress: true,
});

/** Joins the calendar `family` to `Personal`, as link `home`. */
export async function join(engine, url, options = {}) {
  await engine.putCalendar({ id: 'family', name: 'Family' });
  await engine.connect('account', account(url));
  const [remote] = await engine.remoteCalendars('account');
  await engine.addLink('home', { calendar: 'family', connection: 'account', remote: remote.id, ...options });
}

/** An hour in Berlin. */
export const meeting = (uid, title) => ({
  uid,
  master: {
    time: {
      start: { zoned: { local: '2026-03-05T09:00:00', zone: 'Europe/Berlin' } },
      end: { zoned: { local: '2026-03-05T10:00:00', zone: 'Europe/Berlin' } },
    },
    title,
  },
});

export const titles = async (engine) =>
  Object.fromEntries((await engine.events('family')).map(({ event }) => [event.uid, event.master.title]));

export const camel = (name) => name.replace(/_([a-z])/g, (_, letter) => letter.toUpperCase());

/** The names of this language; the keys of overrides are dates. */
export function named(value) {
  if (Array.isArray(value)) return value.map(named);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [camel(key), named(item)]));
}

/** The value at a path: `uid=a` is the event with this UID, `*` is each of a list, sorted. */
export function at(value, path) {
  if (path === '') return value ?? null;
  const [part, ...more] = path.slice(1).split('/');
  const rest = more.map((name) => `/${name}`).join('');
  if (part === '*') return value.map((item) => at(item, rest)).sort();
  if (part.startsWith('uid=')) return at(value.find(({ event }) => event.uid === part.slice(4)) ?? null, rest);
  const found = value?.[camel(part)];
  return found === undefined || found === null ? null : at(found, rest);
}

export function filled(value, kept) {
  if (typeof value === 'string' && value.startsWith('$')) return kept[value.slice(1)];
  if (Array.isArray(value)) return value.map((item) => filled(item, kept));
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, filled(item, kept)]));
}
