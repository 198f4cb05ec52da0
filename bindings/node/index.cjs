// calsync for Node: classes and functions over the native part, which speaks JSON.
'use strict';

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

/** A store throws it when a call makes no sense, such as a pair that would not be unique; nothing was written. */
class StoreInvalidInput extends Error {
  name = 'StoreInvalidInput';
}

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

function pure(method, args) {
  const text = native.pure(method, JSON.stringify(toSnake(args)));
  const value = JSON.parse(text.slice(1));
  if (text[0] !== '1') throw new CalsyncError(value);
  return toCamel(value);
}

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

const parseMany = (texts, options = {}) => pure('parse', { texts: [...texts], ...options }).map(outcome);
const parse = (text, options) => orThrow(parseMany([text], options)[0]);
const write = (events, options) => pure('write', { events: [...events], ...options });
const patchMany = (edits, options = {}) => pure('patch', { edits: [...edits], ...options }).map(outcome);
const patch = (original, event, options) => orThrow(patchMany([{ original, event }], options)[0]);
const expandMany = (events, window) => pure('expand', { events: [...events], ...window });
const expand = (event, window) => expandMany([event], window)[0];
const diffMany = (pairs) => pure('diff', { pairs: [...pairs] });
const diff = (before, after) => diffMany([{ before, after }])[0];
const mergeMany = (items, options = {}) => pure('merge', { items: [...items], ...options });
const merge = (versions, options) => mergeMany([versions], options)[0];

const KINDS = [
  [StoreConflict, 'conflict'],
  [StoreFenced, 'fenced'],
  [StoreUnavailable, 'unavailable'],
  [StoreFull, 'full'],
  [StoreInvalidInput, 'invalid-input'],
];

/** The class of a value, for an error: its text may hold anything. */
function kindOf(value) {
  if (value === null || value === undefined) return String(value);
  return (typeof value === 'object' && value.constructor && value.constructor.name) || typeof value;
}

function checked(store) {
  for (const method of STORE_METHODS) {
    if (store === null || typeof store !== 'object' || typeof store[camel(method)] !== 'function') {
      throw new TypeError(`${kindOf(store)} is no calsync store: it has no method ${camel(method)}`);
    }
  }
  return store;
}

/** Answers the calls of the native part. Plain values, promises and synchronous throws of a method all end here. */
function answering(store, onThrown) {
  return async (name, given, reply) => {
    try {
      const value = await store[camel(name.slice('store.'.length))](JSON.parse(given));
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
      const known = KINDS.find(([kind]) => error instanceof kind);
      reply.fail(known ? known[1] : 'failed', kindOf(error), (error && error.expectation) || 0);
    }
  };
}

/**
 * The names of the cases of the store conformance suite. `rows_round_trip` keeps a revision of 2^64 - 1, which no number of
 * JavaScript holds; revisions grow by one.
 */
const STORE_CASES = Object.freeze(native.storeCases().filter((name) => name !== 'rows_round_trip'));

/** Runs one case, or all of them, each on a fresh and empty store that `factory` makes. */
async function checkStore(factory, name) {
  for (const one of name === undefined ? STORE_CASES : [name]) {
    const store = checked(await factory());
    await new Promise((resolve, reject) => {
      let thrown;
      const done = (ok, text) => (ok ? resolve() : reject(new CalsyncError(JSON.parse(text), thrown)));
      native.checkStore(one, done, answering(store, (error) => (thrown = error)));
    });
  }
}

class Engine {
  #native;
  #store;

  constructor(store = ':memory:') {
    if (typeof store === 'string') {
      const choice = store === ':memory:' ? 'memory' : { sqlite: { path: store } };
      this.#native = new native.Engine(JSON.stringify(choice));
    } else {
      this.#store = checked(store);
      this.#native = new native.Engine(JSON.stringify('host'));
    }
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
        reject(signal.reason);
      };
      const done = (ok, result) => {
        if (signal) signal.removeEventListener('abort', stop);
        const value = JSON.parse(result);
        if (ok) resolve(toCamel(value));
        else reject(new CalsyncError(value, value.code.startsWith('host-') ? thrown : undefined));
      };
      const answer = answering(this.#store, (error) => (thrown = error));
      const progress = (told) => {
        if (onProgress) onProgress(toCamel(JSON.parse(told)));
      };
      job = this.#native.start(method, text, done, answer, progress);
      if (signal) signal.addEventListener('abort', stop, { once: true });
    });
  }

  connect(connection, options) {
    return this.#call('connect', { connection }, options);
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

  explain(calendar, id, options) {
    return this.#call('explain', { calendar, id }, options).then(JSON.parse);
  }

  free(terms, options) {
    return this.#call('free', { terms: JSON.stringify(terms) }, options).then(JSON.parse);
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

/** Google Calendar with the account's own calendar, which has its address as its name. */
class GoogleEmulator extends Emulator {
  constructor(options) {
    super('google', options);
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
  Engine,
  GoogleEmulator,
  MicrosoftEmulator,
  STORE_CASES,
  StoreConflict,
  StoreFenced,
  StoreFull,
  StoreInvalidInput,
  StoreUnavailable,
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
  write,
};
