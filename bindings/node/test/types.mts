// Not run: what the compiler must know. A type that was lost would make the line with the expected error pass.
import { CalsyncError, Engine, MasterKeys, OAuthClient, TransportError, availability, expand, parse, parseMany, plan, publicAddresses, transform, type CopyRules, type Event, type Report, type Store, type StoreInOneCall } from '../index.mjs';
import { storeConformance } from '../node-test.mjs';

export async function known(engine: Engine, store: Store, together: StoreInOneCall): Promise<void> {
  const report: Report = await engine.sync('home', { approve: 'x', signal: new AbortController().signal });
  const pushed: number = report.counts.pushed;
  const event: Event = parse('').events[0]!;
  const start: string = expand(event, { start: new Date(), end: new Date() }).instances[0]!.id;
  for (const one of parseMany([''])) if (one instanceof CalsyncError) one.code satisfies string;
  for await (const step of engine.progress('home')) if ('step' in step) step.done satisfies number;
  new Engine(store);
  new Engine(together);
  storeConformance('mine', async () => store, { skip: 'there is no database', storePatienceMs: 20 });
  new Engine(':memory:', {
    filters: { mine: { version: '1', letsThrough: ({ title }, { word }) => title !== word } },
    transforms: { mine: { version: '1', change: async (copy, event) => ({ ...copy, title: event.title ?? '' }) } },
    resolver: { resolve: ({ fields }) => fields.map((field) => ({ field, choice: 'local' })) },
    clock: { now: () => new Date() },
    transport: {
      async send({ method, url, headers, body, totalMs }) {
        const answer = await fetch(url, { method, headers, body, redirect: 'manual', signal: AbortSignal.timeout(totalMs) });
        const pairs: [string, string][] = [];
        answer.headers.forEach((value, name) => pairs.push([name, value]));
        return { status: answer.status, headers: pairs, body: new Uint8Array(await answer.arrayBuffer()) };
      },
    },
  });
  const client = new OAuthClient({ provider: 'google', clientId: 'me', clientSecret: 'x' });
  new Engine(':memory:', { masterKeys: new MasterKeys('a', { a: '' }) });
  (await engine.beginOauth('a', { client, session: 's', redirect: 'https://example.com/back' })) satisfies string;
  const { missingScopes, ends } = await engine.finishOauth({ client, session: 's', query: '' });
  await engine.connect('a', { provider: 'google', client });
  const told: boolean = await engine.disconnect('a');
  // @ts-expect-error a client has an id
  new OAuthClient({ provider: 'google' });
  // @ts-expect-error no such fault
  new TransportError('teapot');
  publicAddresses(['192.0.2.1'])[0] satisfies string | undefined;
  const copies: CopyRules = { pipeline: {}, uid_salt: 'x', window: { from: { days: -7 }, to: { 'month-end': 1 }, leaving: 'go' } };
  await engine.addLink('out', { calendar: 'c', connection: 'a', direction: 'export', copies });
  const elsewhere = [{ calendar: 'boss', connection: 'a', remote: 'boss@example.com' }];
  const free = await engine.free({ calendars: [{ calendar: 'c' }], elsewhere, start: new Date(), end: '', slots: { tentative: 'free' } });
  for (const { covered, incompleteSeries: some } of free.calendars) if (covered && some === 0) covered.end satisfies string;
  const hours = [{ zone: 'Europe/Berlin', hours: [{ start: '09:00', end: '17:00' }] }];
  const open = availability([{ calendar: 'own', events: [event] }], { start: new Date(), end: '', now: '', terms: { hours } });
  for (const { start } of open.slots) start satisfies string;
  for (const { action, local } of plan([{ local: event, remoteGone: 'reported' }]).decisions) if (action === 'merge') local satisfies Event | null;
  transform(event, { pipeline: {}, uidSalt: 'x' }).leftOutBy satisfies string | null;
  // @ts-expect-error no such evidence
  plan([{ remoteGone: 'unlisted' }]);
  await engine.forget('home');
  // @ts-expect-error a misspelt option
  await engine.sync('home', { aprove: 'x' });
  // @ts-expect-error a body is bytes
  new Engine(':memory:', { transport: { send: () => ({ status: 200, headers: [], body: '' }) } });
  // @ts-expect-error no store
  new Engine({ calendars: () => [] });
  // @ts-expect-error no such word
  await engine.addLink('home', { calendar: 'c', connection: 'a', direction: 'both' });
  void [pushed, start, missingScopes, ends, told];
}
