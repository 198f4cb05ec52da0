// What both stores make of values before they are columns.
import { createHash } from 'node:crypto';
import { StoreInvalidInput } from 'calsync';

/** A UID may be longer than an index takes, and hold any character: it is found by its hash. */
export const hash = (uid) => createHash('sha256').update(uid).digest('hex');

/** An instant as text that sorts: fractions have any number of digits, and years more than four. */
export function sortable(instant) {
  const found = /^([+-]?\d+)-([^.Z]*)(?:\.(\d+))?Z$/.exec(instant);
  if (!found) throw new StoreInvalidInput();
  const [, year, rest, fraction = ''] = found;
  return `${String(Number(year) + 300_000).padStart(6, '0')}-${rest}.${fraction.padEnd(9, '0')}`;
}

/** The day an event begins, in its own zone. */
export function day({ master }) {
  const [start] = Object.values(master?.time?.start ?? {});
  return start === undefined ? null : (start.local ?? start).slice(0, 10);
}
