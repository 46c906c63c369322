// Sends a file over the echo channel and checks what comes back, without ever holding more than a window of it.

import { Sha256 } from './sha256.js';

const CHUNK = 64 * 1024;
const WINDOW = 8 * 1024 * 1024; // bytes sent and not yet back

/** Resolves to {bytes, seconds, sent, received}: the two SHA-256 checksums in hex. `progress` gets 0 to 1. */
export async function roundTrip(channel, file, progress) {
  const sent = new Sha256();
  const received = new Sha256();
  const start = performance.now();
  let out = 0;
  let back = 0;
  let wake = () => {};
  let failure = null;
  const onmessage = ({ data }) => {
    received.update(new Uint8Array(data));
    back += data.byteLength;
    progress(back / file.size);
    wake();
  };
  const onclose = () => {
    failure = new Error('The connection ended before the file was back.');
    wake();
  };
  channel.addEventListener('message', onmessage);
  channel.addEventListener('close', onclose);
  const until = async condition => {
    while (!condition() && !failure) await new Promise(done => { wake = done; });
    if (failure) throw failure;
  };
  try {
    while (out < file.size) {
      const bytes = new Uint8Array(await file.slice(out, out + CHUNK).arrayBuffer());
      sent.update(bytes);
      await until(() => out - back < WINDOW);
      channel.send(bytes);
      out += bytes.length;
    }
    await until(() => back >= out);
  } finally {
    channel.removeEventListener('message', onmessage);
    channel.removeEventListener('close', onclose);
  }
  return { bytes: out, seconds: (performance.now() - start) / 1000, sent: sent.hex(), received: received.hex() };
}
