// calsync for Node: classes and functions over the native part, which speaks JSON.
'use strict';

const { isUint8Array } = require('node:util').types;
const native = require('./native.cjs');

/** Something failed. `code` says what; the text holds no secret and no event text. */
class CalsyncError extends Error {
  constructor(failure, cause) {
    super(failure.message, cause === undefined ? undefined : { cause });
    this.name = 'CalsyncError';
    this.code = failure.code;
    this.retryable = failure.retryable;
    this.retryAfterMs = failure.retry_after_ms;
    this.item = failure.item;
  }
}

/** A store throws it when an expectation of a batch does not hold; nothing was written. */
class StoreConflict extends Error {
  constructor(expectation = 0) {
    super(`expectation ${expectation} does not hold`);
    this.name = 'StoreConflict';
    this.expectation = expectation;
  }
}

/** A store throws it when the lease of a batch is not the current one; nothing was written. */
class StoreFenced extends Error {
  name = 'StoreFenced';
}

/** A store throws it when its database is busy or not reachable. */
class StoreUnavailable extends Error {
  name = 'StoreUnavailable';
}

/** A store throws it when its database has no room. */
class StoreFull extends Error {
  name = 'StoreFull';
}

/** A store throws it when a row does not hold what was written. */
class StoreCorrupt extends Error {
  name = 'StoreCorrupt';
}

/** A store throws it when a call makes no sense, such as a pair that would not be unique; nothing was written. */
class StoreInvalidInput extends Error {
  name = 'StoreInvalidInput';
}

const FAULTS = ['connect', 'timeout', 'interrupted', 'too-large', 'blocked'];

/** A transport throws it when there is no answer. */
class TransportError extends Error {
  constructor(fault, options) {
    if (!FAULTS.includes(fault)) throw new TypeError(`a TransportError is one of ${FAULTS.join(', ')}`);
    super(`there is no answer: ${fault}`, options);
    this.name = 'TransportError';
    this.fault = fault;
  }
}

/** Secrets by what they belong to, which `console.log` and `JSON.stringify` show without them. */
const secrets = new WeakMap();

/** An application as an authorization server knows it. Its secret is shown by nothing. */
class OAuthClient {
  constructor({ clientSecret, ...settings }) {
    Object.assign(this, settings);
    secrets.set(this, clientSecret);
  }

  get clientSecret() {
    return secrets.get(this);
  }
}

/** What seals tokens in the store of an engine. Its keys are shown by nothing. */
class MasterKeys {
  constructor(current, keys) {
    this.current = current;
    secrets.set(this, { ...keys });
  }

  get keys() {
    return secrets.get(this);
  }
}

function isA(kind, value) {
  if (!(value instanceof kind)) throw new TypeError(`${kindOf(value)} is no ${kind.name} of calsync`);
  return value;
}

/** A client with its secret, for the native part. */
const whole = (client) => ({ ...isA(OAuthClient, client), clientSecret: client.clientSecret });

const STORE_METHODS = [
  'calendars',
  'events',
  'events_by_uid',
  'events_since',
  'link',
  'bases',
  'base_summaries',
  'outbox',
  'records',
  'docs',
  'commit',
  'acquire_lease',
  'release_lease',
];

/** What a store may answer in one call beside them. */
const IN_ONE_CALL = ['open_link', 'pairs', 'waiting'];

const camel = (name) => name.replace(/_([a-z])/g, (_, letter) => letter.toUpperCase());
const snake = (name) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

// The keys of overrides are dates (20260105T180000Z), not names.
const isName = (key) => key.charCodeAt(0) > 57;

function toCamel(value) {
  if (Array.isArray(value)) return value.map(toCamel);
  if (value === null || typeof value !== 'object') return value;
  const result = {};
  for (const key in value) result[key.includes('_') ? camel(key) : key] = toCamel(value[key]);
  return result;
}

function toSnake(value) {
  if (value instanceof Date) return value.toISOString();
  if (value instanceof Set) return [...value].map(toSnake);
  if (Array.isArray(value)) return value.map(toSnake);
  if (value === null || typeof value !== 'object') return value;
  const result = {};
  for (const key of Object.keys(value)) {
    if (value[key] !== undefined) result[isName(key) ? snake(key) : key] = toSnake(value[key]);
  }
  return result;
}

/** What a function of the native part gives: JSON with names of JavaScript, or what failed behind a `!`. */
function made(text) {
  if (text[0] === '!') throw new CalsyncError(JSON.parse(text.slice(1)));
  return JSON.parse(text);
}

const pure = (method, args) => made(native.pure(method, JSON.stringify(toSnake(args))));

/** One of many results: a failed one is an error in its place. */
function outcome(value) {
  if ('ok' in value) return value.ok;
  const { retryAfterMs, ...failure } = value.failure;
  return new CalsyncError({ ...failure, retry_after_ms: retryAfterMs });
}

function orThrow(result) {
  if (result instanceof CalsyncError) throw result;
  return result;
}

function parseMany(texts, options = {}) {
  const list = [...texts];
  if (!list.every((text) => typeof text === 'string')) {
    throw new CalsyncError({ code: 'invalid-input', retryable: false, message: 'parse: a text is no text', item: 'parse' });
  }
  return made(native.parse(list, JSON.stringify(toSnake(options)))).map(outcome);
}
const parse = (text, options) => orThrow(parseMany([text], options)[0]);
const write = (events, options) => pure('write', { events: [...events], ...options });
const patchMany = (edits, options = {}) => pure('patch', { edits: [...edits], ...options }).map(outcome);
const patch = (original, event, options) => orThrow(patchMany([{ original, event }], options)[0]);

/** How long a recurrence id or a time is, by the letter before it. */
const LENGTHS = { d: 8, f: 15, i: 16, D: 10, F: 19, U: 20, Z: 19, Y: 19 };

/** The instances of a series out of the one text they came in (`src/instances.rs`). */
function unpacked({ instances: text, zones, ...rest }) {
  if (typeof text !== 'string') return { instances: text, ...rest };
  let at = 0;
  const next = () => {
    const from = at + 1;
    at = from + LENGTHS[text[from - 1]];
    return text.slice(from, at);
  };
  const time = () => {
    switch (text[at]) {
      case 'U':
        return { utc: next() };
      case 'D':
        return { date: next() };
      case 'F':
        return { floating: next() };
      default: {
        const second = text[at] === 'Y';
        const local = next();
        const zone = zones[text.charCodeAt(at) - 97];
        at += 1;
        return { zoned: second ? { local, zone, fold: 'second' } : { local, zone } };
      }
    }
  };
  const instances = [];
  while (at < text.length) instances.push({ id: next(), time: { start: time(), end: time() } });
  return { instances, ...rest };
}

const expandMany = (events, window) =>
  made(native.expand(JSON.stringify(toSnake({ events: [...events], ...window })))).map(unpacked);
const expand = (event, window) => expandMany([event], window)[0];
const diffMany = (pairs) => pure('diff', { pairs: [...pairs] });
const diff = (before, after) => diffMany([{ before, after }])[0];
const mergeMany = (items, options = {}) => pure('merge', { items: [...items], ...options });
const merge = (versions, options) => mergeMany([versions], options)[0];
const plan = (pairs, rules = {}) => pure('plan', { pairs: [...pairs], ...rules });
// The names in a pipeline are those of the configuration.
const transformMany = (events, { pipeline, ...options }) =>
  pure('transform', { events: [...events], pipeline: JSON.stringify(pipeline), ...options });
const transform = (event, options) => transformMany([event], options)[0];
const publicAddresses = (addresses) => pure('public_addresses', { addresses: [...addresses] });
const availability = (calendars, window) => pure('availability', { calendars: [...calendars], ...window });

const KINDS = [
  [StoreConflict, 'conflict'],
  [StoreFenced, 'fenced'],
  [StoreUnavailable, 'unavailable'],
  [StoreFull, 'full'],
  [StoreCorrupt, 'corrupt'],
  [StoreInvalidInput, 'invalid-input'],
];

/** The class of a value, for an error: its text may hold anything, and so may what it says of itself. */
function kindOf(value) {
  if (value === null || value === undefined) return String(value);
  try {
    const name = typeof value === 'object' && value.constructor && value.constructor.name;
    return typeof name === 'string' && name !== '' ? name.slice(0, 64) : typeof value;
  } catch {
    return typeof value;
  }
}

/** What a host threw, as the native part is told it: its kind, its class, and which expectation did not hold. */
function failureOf(error) {
  try {
    if (error instanceof TransportError) return [FAULTS.includes(error.fault) ? error.fault : 'failed', kindOf(error), 0];
    const known = KINDS.find(([kind]) => error instanceof kind);
    const expectation = known && Number.isInteger(error.expectation) ? error.expectation : 0;
    return [known ? known[1] : 'failed', kindOf(error), Math.min(Math.max(expectation, 0), 0xffffffff)];
  } catch {
    return ['failed', kindOf(error), 0];
  }
}

function checked(store) {
  for (const method of STORE_METHODS) {
    if (store === null || typeof store !== 'object' || typeof store[camel(method)] !== 'function') {
      throw new TypeError(`${kindOf(store)} is no calsync store: it has no method ${camel(method)}`);
    }
  }
  return store;
}

function needs(part, method, what) {
  if (part === null || typeof part !== 'object' || typeof part[method] !== 'function') {
    throw new TypeError(`${kindOf(part)} is no calsync ${what}: it has no method ${method}`);
  }
  return part;
}

/** The rules of a host by their names: what the native part has to know of them. */
function versions(rules, method, what) {
  const entries = Object.entries(rules).map(([name, rule]) => {
    if (typeof needs(rule, method, `${what} ${name}`).version !== 'string') {
      throw new TypeError(`${kindOf(rule)} is no calsync ${what} ${name}: it has no version`);
    }
    return [name, rule.version];
  });
  return Object.fromEntries(entries);
}

/** All that a call of an engine may be asked for: a store, rules, a resolver, a clock, a transport. */
class Hosts {
  constructor(store, { filters = {}, transforms = {}, resolver, clock, transport, masterKeys, patienceMs, storePatienceMs } = {}) {
    this.store = store;
    this.filters = filters;
    this.transforms = transforms;
    this.resolver = resolver === undefined ? undefined : needs(resolver, 'resolve', 'resolver');
    this.clock = clock === undefined ? undefined : needs(clock, 'now', 'clock');
    this.transport = transport === undefined ? undefined : needs(transport, 'send', 'transport');
    this.masterKeys = masterKeys === undefined ? undefined : isA(MasterKeys, masterKeys);
    this.asked = {
      filters: versions(filters, 'letsThrough', 'filter'),
      transforms: versions(transforms, 'change', 'transform'),
      resolver: resolver !== undefined,
      clock: clock !== undefined,
      transport: transport !== undefined,
      patience_ms: patienceMs,
      in_one_call: typeof store === 'object' ? IN_ONE_CALL.filter((name) => typeof store[camel(name)] === 'function') : [],
      store_patience_ms: storePatienceMs,
    };
  }

  opening(store) {
    const keys = this.masterKeys && { current: this.masterKeys.current, keys: this.masterKeys.keys };
    return JSON.stringify({ store, host: { ...this.asked, master_keys: keys } });
  }

  // The options of a rule and the rows of a store are the host's own: their names stay.
  store_(method, args) {
    return this.store[method](args);
  }

  filter_(method, { rule, body, options, around }) {
    return this.filters[rule][method](toCamel(body), options, toCamel(around));
  }

  async transform_(method, { rule, copy, event, options, around }) {
    return toSnake(await this.transforms[rule][method](toCamel(copy), toCamel(event), options, toCamel(around)));
  }

  async resolver_(method, { conflict }) {
    return toSnake(await this.resolver[method](toCamel(conflict)));
  }

  async clock_(method) {
    return toSnake(await this.clock[method]());
  }

  async transport_(method, { request: { body, ...rest } }) {
    const answer = await this.transport[method]({ ...toCamel(rest), body: new Uint8Array(Buffer.from(body, 'base64')) });
    if (answer === null || typeof answer !== 'object') return answer;
    const { status, headers, body: bytes } = answer;
    // Without a text for a body the native part says that the type is wrong.
    const text = isUint8Array(bytes) ? Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64') : null;
    return { status, headers, body: text };
  }
}

/** Answers the calls of the native part. Plain values, promises and synchronous throws of a method all end here. */
function answering(hosts, onThrown) {
  return async (name, given, reply) => {
    try {
      const [part, method] = name.split('.');
      const value = await hosts[`${part}_`](camel(method), JSON.parse(given));
      let answered;
      try {
        answered = JSON.stringify(value === undefined ? null : value);
      } catch (error) {
        onThrown(error);
      }
      if (answered === undefined) reply.fail('wrong-type', kindOf(value), 0);
      else reply.ok(answered);
    } catch (error) {
      onThrown(error);
      reply.fail(...failureOf(error));
    }
  };
}

/** What is said of an observer that failed, or never came back. */
function observerFailed(code, what) {
  return {
    code,
    retryable: false,
    retry_after_ms: null,
    message: `the host's observer.progress ${what}`,
    item: 'observer.progress',
  };
}

/** Tells an observer one step after the other, also one that answers with promises. */
class Telling {
  #told = Promise.resolve();
  #failed = false;
  #onProgress;
  #onFailure;
  #patienceMs;

  constructor(onProgress, onFailure, patienceMs = 10_000) {
    this.#onProgress = onProgress;
    this.#onFailure = onFailure;
    this.#patienceMs = patienceMs;
  }

  step(text) {
    if (this.#failed) return;
    this.#told = this.#told.then(() => this.#one(toCamel(JSON.parse(text))));
  }

  async #one(step) {
    if (this.#failed) return;
    let timer;
    const late = new Promise((resolve) => {
      timer = setTimeout(() => resolve(observerFailed('host-silent', 'never answered')), this.#patienceMs);
    });
    const call = async () => {
      try {
        await this.#onProgress(step);
        return undefined;
      } catch (error) {
        return { ...observerFailed('host-failed', `failed: ${kindOf(error)}`), cause: { error } };
      }
    };
    const failure = await Promise.race([call(), late]);
    clearTimeout(timer);
    if (failure !== undefined) {
      this.#failed = true;
      const { cause, ...said } = failure;
      this.#onFailure(new CalsyncError(said, cause && cause.error));
    }
  }

  /** Nobody waits for it any more. */
  stop() {
    this.#failed = true;
  }

  /** Once it was told everything so far. */
  over() {
    return this.#told;
  }
}

/**
 * The names of the cases of the store conformance suite. `rows_round_trip` keeps a revision of 2^64 - 1, which no number of
 * JavaScript holds; revisions grow by one.
 */
const STORE_CASES = Object.freeze(native.storeCases().filter((name) => name !== 'rows_round_trip'));

/** Runs one case, or all of them, each on a fresh and empty store that `factory` makes. */
async function checkStore(factory, name, { storePatienceMs } = {}) {
  for (const one of name === undefined ? STORE_CASES : [name]) {
    const store = checked(await factory());
    await new Promise((resolve, reject) => {
      let thrown;
      const done = (ok, text) => (ok ? resolve() : reject(new CalsyncError(JSON.parse(text), thrown)));
      const hosts = new Hosts(store, { storePatienceMs });
      native.checkStore(one, hosts.opening('host'), done, answering(hosts, (error) => (thrown = error)));
    });
  }
}

class Engine {
  #native;
  #hosts;

  constructor(store = ':memory:', options = {}) {
    let choice = 'host';
    if (typeof store === 'string') choice = store === ':memory:' ? 'memory' : { sqlite: { path: store } };
    else checked(store);
    this.#hosts = new Hosts(store, options);
    this.#native = new native.Engine(this.#hosts.opening(choice));
  }

  #call(method, args, { signal, ...options } = {}, onProgress) {
    return new Promise((resolve, reject) => {
      if (signal && signal.aborted) {
        reject(signal.reason);
        return;
      }
      let text;
      try {
        text = JSON.stringify(toSnake({ ...args, ...options }));
      } catch (error) {
        reject(error);
        return;
      }
      let thrown;
      let job;
      const stop = () => {
        if (job) job.cancel();
        if (telling) telling.stop();
        reject(signal.reason);
      };
      const telling = onProgress && new Telling(
        onProgress,
        (error) => {
          if (job) job.cancel();
          reject(error);
        },
        this.#hosts.asked.patience_ms,
      );
      const done = async (ok, result) => {
        if (signal) signal.removeEventListener('abort', stop);
        const value = JSON.parse(result);
        if (telling && !ok) telling.stop();
        if (telling) await telling.over();
        if (ok) resolve(value);
        else reject(new CalsyncError(value, value.code.startsWith('host-') ? thrown : undefined));
      };
      const answer = answering(this.#hosts, (error) => (thrown = error));
      const progress = (told) => {
        if (telling) telling.step(told);
      };
      job = this.#native.start(method, text, done, answer, progress);
      if (signal) signal.addEventListener('abort', stop, { once: true });
    });
  }

  async connect(connection, { client, ...options } = {}) {
    return this.#call('connect', { connection, client: client && whole(client) }, options);
  }

  async beginOauth(connection, { client, ...options } = {}) {
    return this.#call('begin_oauth', { connection, client: whole(client) }, options);
  }

  async finishOauth({ client, ...options } = {}) {
    return this.#call('finish_oauth', { client: whole(client) }, options);
  }

  disconnect(connection, options) {
    return this.#call('disconnect', { connection }, options);
  }

  remoteCalendars(connection, options) {
    return this.#call('remote_calendars', { connection }, options);
  }

  putCalendar(calendar, options) {
    return this.#call('put_calendar', { calendar }, options);
  }

  calendars(options) {
    return this.#call('calendars', {}, options);
  }

  events(calendar, options) {
    return this.#call('events', { calendar }, options);
  }

  addEvent(calendar, event, options) {
    return this.#call('add_event', { calendar, event }, options);
  }

  updateEvent(calendar, id, revision, event, options) {
    return this.#call('update_event', { calendar, id, revision, event }, options);
  }

  deleteEvent(calendar, id, revision, options) {
    return this.#call('delete_event', { calendar, id, revision }, options);
  }

  addLink(link, { copies, ...options } = {}) {
    const text = copies === undefined ? undefined : JSON.stringify(copies);
    return this.#call('add_link', { link, copies: text }, options);
  }

  plan(link, options) {
    return this.#call('plan', { link }, options);
  }

  sync(link, { onProgress, ...options } = {}) {
    return this.#call('sync', { link, progress: onProgress !== undefined }, options, onProgress);
  }

  /** `sync` as an iterable: how far it is, and the report at the end. Leaving the loop early ends the run. */
  async *progress(link, { signal, ...options } = {}) {
    const steps = [];
    let wake = () => {};
    const leave = new AbortController();
    const stop = () => leave.abort(signal.reason);
    if (signal) {
      if (signal.aborted) throw signal.reason;
      signal.addEventListener('abort', stop, { once: true });
    }
    const onProgress = (step) => {
      steps.push(step);
      wake();
    };
    let ended = false;
    const run = this.sync(link, { ...options, onProgress, signal: leave.signal });
    run.then(
      () => {
        ended = true;
        wake();
      },
      () => {
        ended = true;
        wake();
      },
    );
    try {
      while (!ended || steps.length > 0) {
        if (steps.length > 0) yield steps.shift();
        else await new Promise((resolve) => (wake = resolve));
      }
      yield await run;
    } finally {
      if (signal) signal.removeEventListener('abort', stop);
      leave.abort();
    }
  }

  conflicts(link, options) {
    return this.#call('conflicts', { link }, options);
  }

  answerConflict(link, conflict, options) {
    return this.#call('answer_conflict', { link, conflict }, options);
  }

  runs(link, options) {
    return this.#call('runs', { link }, options);
  }

  undo(link, run, options) {
    return this.#call('undo', { link, run }, options);
  }

  undoLast(link, count, options) {
    return this.#call('undo_last', { link, count }, options);
  }

  questions(link, options) {
    return this.#call('questions', { link }, options);
  }

  answerQuestion(link, remoteId, event, options) {
    return this.#call('answer_question', { link, remoteId, event: event === null ? undefined : event }, options);
  }

  outbox(link, options) {
    return this.#call('outbox', { link }, options);
  }

  retryWrite(link, event, options) {
    return this.#call('retry_write', { link, event }, options);
  }

  dropWrite(link, event, options) {
    return this.#call('drop_write', { link, event }, options);
  }

  explain(calendar, id, options) {
    return this.#call('explain', { calendar, id }, options);
  }

  explainItem(item, options) {
    return this.#call('explain_item', { item }, options);
  }

  sources(events, options) {
    return this.#call('sources', { events: [...events] }, options);
  }

  eventsOf(link, options) {
    return this.#call('events_of', { link }, options);
  }

  history(link, options) {
    return this.#call('history', { link }, options);
  }

  clean(link, options) {
    return this.#call('clean', { link }, options);
  }

  forget(link, options) {
    return this.#call('forget', { link }, options);
  }

  hold(terms, slot, options) {
    return this.#call('hold', { terms, ...slot }, options);
  }

  release(hold, options) {
    return this.#call('release', { hold }, options);
  }

  book(terms, calendar, event, options) {
    return this.#call('book', { terms, calendar, event }, options);
  }

  cancelBooking(calendar, id, options) {
    return this.#call('cancel_booking', { calendar, id }, options);
  }

  free(terms, options) {
    return this.#call('free', { terms }, options);
  }

  close(options) {
    return this.#call('close', {}, options);
  }
}

/** A provider on this machine, with one account and one empty calendar, in memory. */
class Emulator {
  #native;

  constructor(provider, { username, secret } = {}) {
    this.#native = new native.Emulator(JSON.stringify({ provider, username, secret }));
    this.account = Object.freeze(toCamel(JSON.parse(this.#native.account())));
  }

  items() {
    return this.#ask('items', {});
  }

  put(item, id) {
    return this.#ask('put', { item, id });
  }

  delete(id) {
    this.#ask('delete', { id });
  }

  client() {
    return new OAuthClient(toCamel(this.#ask('client', {})));
  }

  tell(line) {
    this.#ask('tell', { line });
  }

  #ask(method, args) {
    return made(this.#native.ask(method, JSON.stringify(args)));
  }

  close() {
    this.#native.close();
  }
}

/** A CalDAV server with the calendar `Personal`. */
class CalDavEmulator extends Emulator {
  constructor(options) {
    super('caldav', options);
  }
}

/** A household at Cozi, in Berlin. */
class CoziEmulator extends Emulator {
  constructor(options) {
    super('cozi', options);
  }
}

/** Google Calendar with the account's own calendar, which has its address as its name. */
class GoogleEmulator extends Emulator {
  constructor(options) {
    super('google', options);
  }
}

/** A feed, empty until something is put. */
class IcsEmulator extends Emulator {
  constructor(options) {
    super('ics', options);
  }
}

/** Microsoft Graph with the default calendar `Calendar`. */
class MicrosoftEmulator extends Emulator {
  constructor(options) {
    super('microsoft', options);
  }
}

module.exports = {
  CalDavEmulator,
  CalsyncError,
  CoziEmulator,
  Engine,
  GoogleEmulator,
  IcsEmulator,
  MasterKeys,
  MicrosoftEmulator,
  OAuthClient,
  STORE_CASES,
  StoreConflict,
  StoreCorrupt,
  StoreFenced,
  StoreFull,
  StoreInvalidInput,
  StoreUnavailable,
  TransportError,
  availability,
  checkStore,
  diff,
  diffMany,
  expand,
  expandMany,
  merge,
  mergeMany,
  parse,
  parseMany,
  patch,
  patchMany,
  plan,
  publicAddresses,
  transform,
  transformMany,
  write,
};
