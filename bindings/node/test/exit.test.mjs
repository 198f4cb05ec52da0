// Short scripts that sync and end at once: none crashes, none hangs.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { server } from './support.mjs';

const SCRIPTS = Number(process.env.CALSYNC_SCRIPTS ?? 100);

test('scripts that end at once', { timeout: 300_000 + SCRIPTS * 2000 }, async (t) => {
  const url = await server(t);
  const here = fileURLToPath(new URL('.', import.meta.url));
  const script = (number) => `
    import { Engine } from '${here}../index.mjs';
    import { join } from '${here}support.mjs';
    import { MapStore } from '${here}map-store.mjs';
    const engine = new Engine(${number % 2 ? 'new MapStore(true)' : '":memory:"'});
    await join(engine, ${JSON.stringify(url)}, { direction: 'import' });
    const run = engine.sync('home');
    ${['await run;', 'await run; process.exit(0);', 'setTimeout(() => process.exit(0), 2);', 'process.exit(0);'][(number >> 1) % 4]}
  `;
  const run = promisify(execFile);
  const failed = [];
  let next = 0;
  const worker = async () => {
    while (next < SCRIPTS) {
      const text = script(next++);
      const args = ['--input-type=module', '-e', text];
      await run(process.execPath, args, { timeout: 60_000 }).catch((error) => failed.push(String(error)));
    }
  };
  await Promise.all([worker(), worker(), worker(), worker()]);
  assert.deepEqual(failed, []);
});
