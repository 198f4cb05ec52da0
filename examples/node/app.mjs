// A studio's lessons, kept in step with a calendar: Express, better-sqlite3, calsync.
//
// The lessons are read from the application's own table. They are written through calsync, so that each has a revision and goes
// out with the next run. A run is started by the schedule, by `POST /sync`, or by the hook `POST /notifications`: for whatever of
// the host's receives a provider's notifications, since calsync for Node does not subscribe to them.
import { randomUUID, timingSafeEqual } from 'node:crypto';
import { CalsyncError, Engine } from 'calsync';
import express from 'express';
import { SqliteStore, connect } from './store.mjs';

const [CALENDAR, ACCOUNT, LINK] = ['studio', 'account', 'home'];

/** What goes wrong on the caller's side. */
class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/**
 * The application over a SQLite file, with a run every `interval` milliseconds. `pushToken` is what a call of the hook must
 * carry: whoever can call without it could keep the server busy. `trustAddress` allows accounts on this machine and network, as
 * tests have them. It is not for whoever types the address in to decide: that would be a way to whatever else answers there.
 * `close` ends it all.
 */
export async function application(file, { interval = 300_000, pushToken, trustAddress = false } = {}) {
  const rows = connect(file);
  const engine = new Engine(new SqliteStore(rows));
  await engine.putCalendar({ id: CALENDAR, name: 'Lessons' });

  /** Runs at once. Deletions that are `held` wait until a person approves or refuses the `plan`. */
  async function run(options = {}) {
    const report = await engine.sync(LINK, options);
    const { created, updated, deleted, pushed, conflicts, held } = report.counts;
    return {
      inStep: report.inStep,
      came: created + updated + deleted,
      went: pushed,
      conflicts,
      held: report.held ? held : 0,
      plan: report.held ? report.planId : null,
    };
  }

  /** What was chosen once is kept: the first calendar of tomorrow may be another one. */
  async function chosen(url, username) {
    const kept = rows.prepare('SELECT remote FROM accounts WHERE url = ? AND username = ?').get(url, username);
    const remotes = await engine.remoteCalendars(ACCOUNT);
    if (kept) {
      const remote = remotes.find(({ id }) => id === kept.remote);
      if (!remote) throw new Refused(422, 'the calendar that the lessons were joined to is not there any more');
      return remote;
    }
    const remote = remotes.find(({ readOnly }) => !readOnly);
    if (!remote) throw new Refused(422, 'the account has no calendar that can be written');
    rows.transaction(() => {
      rows.prepare('DELETE FROM accounts').run();
      rows.prepare('INSERT INTO accounts (url, username, remote) VALUES (?, ?, ?)').run(url, username, remote.id);
    })();
    return remote;
  }

  let connected = false;
  const schedule = setInterval(() => {
    // The next run tries again; one that goes on elsewhere is not disturbed.
    if (connected) run().catch((error) => console.error('calsync:', error.code ?? error.name));
  }, interval);
  schedule.unref();

  const app = express();
  app.use(express.json());

  // calsync keeps the password in memory only: after a restart it is given again.
  app.post('/account', async (request, response) => {
    const { url, username, password } = request.body;
    await engine.connect(ACCOUNT, { provider: 'caldav', url, username, secret: password, trustAddress });
    const remote = await chosen(url, username);
    // Whoever runs the studio answers conflicts, and is asked before more than two lessons go.
    const rules = { conflicts: 'manual', guardCount: 2 };
    await engine.addLink(LINK, { calendar: CALENDAR, connection: ACCOUNT, remote: remote.id, ...rules });
    connected = true;
    response.json({ calendar: remote.name, ...(await run()) });
  });

  app.post('/sync', async ({ query }, response) => {
    response.json(await run({ approve: query.approve, refuse: query.refuse }));
  });

  // A hook: something may have changed at the provider. What is sent is not believed: the run asks for itself.
  app.post('/notifications', async (request, response) => {
    const given = Buffer.from(request.get('X-Push-Token') ?? '');
    const token = Buffer.from(pushToken ?? '');
    if (token.length === 0 || given.length !== token.length || !timingSafeEqual(given, token)) {
      throw new Refused(403, 'the token is not that of the hook');
    }
    await run();
    response.sendStatus(204);
  });

  // From the application's own table, without calsync.
  app.get('/lessons', ({ query }, response) => {
    const wanted = 'SELECT id, revision, title, day, teacher FROM lessons WHERE calendar = ? AND deleted IS NULL';
    const order = 'ORDER BY day, title';
    const found = query.day
      ? rows.prepare(`${wanted} AND day = ? ${order}`).all(CALENDAR, String(query.day))
      : rows.prepare(`${wanted} ${order}`).all(CALENDAR);
    response.json(found);
  });

  app.post('/lessons', async ({ body }, response) => {
    const { title, start, end, zone = 'Europe/Berlin' } = body;
    const time = { start: { zoned: { local: start, zone } }, end: { zoned: { local: end, zone } } };
    const id = await engine.addEvent(CALENDAR, { uid: randomUUID(), master: { time, title } });
    response.status(201).json({ id });
  });

  // Changes what was read with this revision; 409 when it was changed meanwhile.
  app.put('/lessons/:id/title', async ({ params, body }, response) => {
    const stored = (await engine.events(CALENDAR)).find(({ id }) => id === params.id);
    if (!stored) throw new Refused(404, 'there is no such lesson');
    if (!stored.event.master) throw new Refused(422, 'only single days of the series are known, which have titles of their own');
    const event = { ...stored.event, master: { ...stored.event.master, title: body.title } };
    await engine.updateEvent(CALENDAR, params.id, body.revision, event);
    response.sendStatus(204);
  });

  // The application's own: no revision, nothing goes out.
  app.put('/lessons/:id/teacher', ({ params, body }, response) => {
    rows.prepare('UPDATE lessons SET teacher = ? WHERE calendar = ? AND id = ?').run(body.teacher, CALENDAR, params.id);
    response.sendStatus(204);
  });

  app.delete('/lessons/:id', async ({ params, query }, response) => {
    await engine.deleteEvent(CALENDAR, params.id, Number(query.revision));
    response.sendStatus(204);
  });

  // What both sides changed, and waits for an answer.
  app.get('/conflicts', async (_, response) => {
    const open = (await engine.conflicts(LINK)).filter((conflict) => conflict.open);
    const shown = ({ field, local, remote }) => ({ field: field.part, here: local, there: remote });
    response.json(open.map(({ id, fields }) => ({ id, fields: fields.map(shown) })));
  });

  // Takes one side's values and carries that out.
  app.post('/conflicts/:id', async ({ params, body }, response) => {
    await engine.answerConflict(LINK, params.id, { by: body.by, take: body.take });
    response.json(await run());
  });

  // Takes back what the last run that did something did here.
  app.post('/undo', async (_, response) => {
    const [{ restored, removed }] = await engine.undoLast(LINK, 1);
    response.json({ restored, removed, ...(await run()) });
  });

  app.use((error, _request, response, next) => {
    if (response.headersSent) return next(error);
    if (error instanceof CalsyncError) {
      // The message holds no event text and no password.
      const status = error.code === 'store-conflict' ? 409 : error.retryable ? 503 : 400;
      return response.status(status).json({ code: error.code, message: error.message, item: error.item });
    }
    response.status(error.status ?? 500).json({ message: error.status ? error.message : 'something went wrong' });
  });

  async function close() {
    clearInterval(schedule);
    await engine.close();
    rows.close();
  }
  return { app, close };
}
