// An authorization server by other people: it checks PKCE, signs id tokens and rotates refresh tokens.
//
// Prints its address as one line. What a person answers follows from the client's id: "denied" is refused, "narrow" is
// granted the first scope only. Of a client's refresh tokens the last one is good, and only once.
import { randomUUID } from 'node:crypto';

import { OAuth2Server } from 'oauth2-mock-server';

const server = new OAuth2Server();
await server.issuer.keys.generate('RS256');
await server.start(0, '127.0.0.1');

// The server grants what the token request asks for, which the code flow does not say: what the browser asked for is it.
const scopes = new Map();
const good = new Set();

// Two tokens of the same second are two tokens.
server.service.on('beforeTokenSigning', (token) => {
  token.payload.jti = randomUUID();
});

server.service.on('beforeAuthorizeRedirect', (redirect, request) => {
  const { client_id: client, scope } = request.query;
  scopes.set(redirect.url.searchParams.get('code'), client === 'narrow' ? scope.split(' ')[0] : scope);
  if (client === 'denied') {
    redirect.url.searchParams.delete('code');
    redirect.url.searchParams.set('error', 'access_denied');
  }
});

server.service.on('beforeResponse', (response, request) => {
  const { grant_type: grant, code, refresh_token: token } = request.body;
  if (grant === 'refresh_token' && !good.delete(token)) {
    response.statusCode = 400;
    response.body = { error: 'invalid_grant' };
    return;
  }
  good.add(response.body.refresh_token);
  if (grant === 'authorization_code') {
    response.body.scope = scopes.get(code);
  } else {
    delete response.body.scope;
  }
});

// What is revoked renews nothing any more, when whoever revokes says who they are (RFC 7009 section 2.1). The server itself does
// not read the form.
server.service.on('beforeRevoke', (_, request) => {
  request.setEncoding('utf8');
  request.on('data', (text) => {
    const form = new URLSearchParams(text);
    if (form.get('client_id') === 'calsync') good.delete(form.get('token'));
  });
});

console.log(server.issuer.url);
