// Runs a program of Node with the account of an emulator in its environment: `with_emulator.mjs PROGRAM`.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { CalDavEmulator } from 'calsync';

const emulator = new CalDavEmulator();
const { url, username, secret } = emulator.account;
const env = { ...process.env, CALDAV_URL: url, CALDAV_USER: username, CALDAV_PASSWORD: secret };
const program = spawn(process.execPath, process.argv.slice(2), { env, stdio: 'inherit' });
const [code] = await once(program, 'exit');
emulator.close();
process.exitCode = code ?? 1;
