// A transport over the `fetch` of Node, for the tests.
import { lookup } from 'node:dns/promises';
import { TransportError, publicAddresses } from '../index.mjs';

/** What errors say whose request never left. */
const NOT_SENT = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH', 'UND_ERR_CONNECT_TIMEOUT']);

/** Throws unless a host may be connected to. A test's word only: `fetch` looks the name up again, and may be told another address. */
async function checked(url) {
  const found = await lookup(new URL(url).hostname.replace(/^\[|\]$/g, ''), { all: true });
  if (publicAddresses(found.map(({ address }) => address)).length < found.length) throw new TransportError('blocked');
}

/** `sent` is what it was asked. */
export class Network {
  sent = [];

  async send(request) {
    this.sent.push(request);
    const { method, url, headers, body, addresses, bodyMax, stallMs, totalMs } = request;
    const silence = new AbortController();
    const silent = setTimeout(() => silence.abort(), stallMs);
    const signal = AbortSignal.any([silence.signal, AbortSignal.timeout(totalMs)]);
    try {
      if (addresses === 'public') await checked(url);
      const answer = await fetch(url, { method, headers, body: body.length > 0 ? body : undefined, redirect: 'manual', signal });
      const chunks = [];
      let size = 0;
      for await (const chunk of answer.body ?? []) {
        silent.refresh();
        chunks.push(chunk);
        size += chunk.length;
        if (size > bodyMax) throw new TransportError('too-large');
      }
      return { status: answer.status, headers: [...answer.headers], body: Buffer.concat(chunks) };
    } catch (error) {
      if (error instanceof TransportError) throw error;
      if (signal.aborted) throw new TransportError('timeout', { cause: error });
      throw new TransportError(NOT_SENT.has(error.code ?? error.cause?.code) ? 'connect' : 'interrupted', { cause: error });
    } finally {
      clearTimeout(silent);
    }
  }
}
