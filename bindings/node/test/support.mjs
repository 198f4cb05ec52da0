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
