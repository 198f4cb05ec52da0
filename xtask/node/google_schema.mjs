// Prism between a client and the Google emulator: every request and every answer is checked against Google's own schema.
//
// Usage: google_schema.mjs DISCOVERY_DOCUMENT EMULATOR_URL
//
// Prints its address as one line; a client takes it for Google's root. `GET /violations` says what was checked and what was
// wrong. Prism sees one request at a time: a batch is none of its schema, and is refused here.
import { readFileSync } from 'node:fs';
import http from 'node:http';
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);
const { convert } = require('google-discovery-to-swagger');
const { createLogger } = require('@stoplight/prism-core');
const { getHttpOperationsFromSpec } = require('@stoplight/prism-cli/dist/operations');
const { createServer } = require('@stoplight/prism-http-server');

const [document, emulator] = process.argv.slice(2);
const BELOW = '/calendar/v3/';

const spec = convert(JSON.parse(readFileSync(document, 'utf8')));
spec.consumes = spec.produces = ['application/json'];
delete spec.securityDefinitions;
delete spec.security;
spec.schemes = ['http'];
for (const path of Object.values(spec.paths)) {
  for (const operation of Object.values(path)) {
    if (operation.responses) {
      delete operation.security;
      // Refusals have no schema of Google's: only what succeeds is checked.
      operation.responses.default = { description: 'refused' };
    }
  }
}
// A member Google does not have is a violation. A null clears a member, for which the language of discovery has no word.
const strict = (schema) => {
  if (schema.properties) {
    schema.additionalProperties ??= false;
    for (const property of Object.values(schema.properties)) {
      if (property.$ref === undefined) property['x-nullable'] = true;
      strict(property);
    }
  }
  if (schema.items) strict(schema.items);
  if (typeof schema.additionalProperties === 'object') {
    if (schema.additionalProperties.$ref === undefined) schema.additionalProperties['x-nullable'] = true;
    strict(schema.additionalProperties);
  }
};
Object.values(spec.definitions).forEach(strict);

const operations = await getHttpOperationsFromSpec(spec);
const prism = createServer(operations, {
  cors: false,
  config: {
    isProxy: true,
    upstream: new URL(emulator + BELOW.slice(1, -1)),
    checkSecurity: false,
    validateRequest: true,
    validateResponse: true,
    mock: false,
    errors: true,
    upstreamProxy: undefined,
  },
  components: { logger: createLogger('prism', { level: 'silent' }) },
});
const checker = new URL(await prism.listen(0, '127.0.0.1'));

const seen = { checked: 0, violations: [] };

const read = async (stream) => {
  const pieces = [];
  for await (const piece of stream) pieces.push(piece);
  return Buffer.concat(pieces);
};

const front = http.createServer(async (request, response) => {
  if (request.url === '/violations') {
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify(seen));
    return;
  }
  if (!request.url.startsWith(BELOW)) {
    seen.violations.push(`${request.method} ${request.url}: not below ${BELOW}`);
    response.writeHead(404).end();
    return;
  }
  const body = await read(request);
  const options = {
    host: checker.hostname,
    port: checker.port,
    method: request.method,
    path: request.url.slice(BELOW.length - 1),
    headers: { ...request.headers, host: checker.host },
  };
  const passed = http.request(options, async (answer) => {
    const text = await read(answer);
    seen.checked += 1;
    // Prism's own answers are problems (RFC 9457); the emulator's are not.
    if ((answer.headers['content-type'] ?? '').includes('application/problem+json')) {
      seen.violations.push(`${request.method} ${request.url}: ${text}`);
    }
    const headers = { ...answer.headers };
    delete headers['transfer-encoding'];
    response.writeHead(answer.statusCode, { ...headers, 'content-length': text.length }).end(text);
  });
  passed.on('error', (error) => {
    seen.violations.push(`${request.method} ${request.url}: ${error.message}`);
    response.writeHead(502).end();
  });
  passed.end(body);
});
front.listen(0, '127.0.0.1', () => console.log(`http://127.0.0.1:${front.address().port}/`));
