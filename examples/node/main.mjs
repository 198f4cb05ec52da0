// `node main.mjs`: the studio, with its file, port and the token of its hook out of the environment.
import { application } from './app.mjs';

const { DATABASE = 'studio.db', PORT = '3000', PUSH_TOKEN } = process.env;
const { app, close } = await application(DATABASE, { pushToken: PUSH_TOKEN });
const server = app.listen(Number(PORT), '127.0.0.1', () => console.log(`http://127.0.0.1:${PORT}/lessons`));
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => server.close(close));
