// Messages of every size around a boundary over every kind of channel, from Chromium and from Firefox to Kaon and back; reliable ones also
// over a path that loses a tenth of all packets.

import http from 'node:http';
import * as chromium from '../lib/chromium.mjs';
import * as firefox from '../lib/firefox.mjs';
import { startPeer, until } from '../lib/kaon.mjs';
import { delayedPath } from '../lib/relay.mjs';

export const seconds = 240;

const range = (from, to) => Array.from({ length: to - from + 1 }, (_, i) => from + i);
// What fits a packet with DATA (1,163 bytes) and I-DATA (1,159), twice that, powers of two, and the largest that the browser takes.
const SIZES = [...range(0, 5), ...range(1157, 1166), ...range(1190, 1192), ...range(1199, 1201), ...range(2316, 2328), ...range(16383, 16385),
  ...range(65534, 65537), 131072, 262143, 262144];
const FEW = [0, 1, 1159, 1163, 1164, 16384, 65535, 131072];
const RELIABLE = [{}, { ordered: false }];
const KINDS = [...RELIABLE, ...[true, false].flatMap(ordered => [{ ordered, maxRetransmits: 0 }, { ordered, maxRetransmits: 3 }, { ordered, maxPacketLifeTime: 1000 }])];

/** Runs in the page. */
async function offer(kinds) {
  const pc = new RTCPeerConnection();
  globalThis.pc = pc;
  globalThis.channels = kinds.map((init, i) => pc.createDataChannel(`kind ${i}`, { ...init, protocol: 'sizes' }));
  await pc.setLocalDescription();
  while (pc.iceGatheringState !== 'complete') await new Promise(done => { pc.onicegatheringstatechange = done; });
  return pc.localDescription.sdp;
}

/** Runs in the page. */
async function answer({ sdp, candidates }) {
  await globalThis.pc.setRemoteDescription({ type: 'answer', sdp });
  for (const candidate of candidates) await globalThis.pc.addIceCandidate(candidate);
}

/** Runs in the page: sends each size as text and as binary over each channel, one after the other, and compares what comes back. What may be
 *  lost is sent again. */
async function exchange(sizes) {
  let count = 0;
  await Promise.all(globalThis.channels.map(async channel => {
    channel.binaryType = 'arraybuffer';
    while (channel.readyState === 'connecting') await new Promise(done => setTimeout(done, 20));
    const reliable = channel.maxRetransmits === null && channel.maxPacketLifeTime === null;
    for (const size of sizes) {
      const bytes = Uint8Array.from({ length: size }, (_, i) => (count + i) & 255);
      const text = 'abcdefghijklmnopqrstuvwxyz'.repeat(size / 26 + 1).slice(0, size);
      for (const sent of [bytes, text]) {
        const same = got => typeof sent === 'string' ? got === sent
          : got instanceof ArrayBuffer && got.byteLength === size && new Uint8Array(got).every((byte, i) => byte === bytes[i]);
        const once = limit => new Promise((done, fail) => {
          const late = setTimeout(() => done(false), limit);
          channel.onclose = () => fail(new Error(`${channel.label} was closed at ${size} bytes`));
          channel.onmessage = ({ data }) => {
            if (!same(data)) return reliable ? fail(new Error(`${channel.label}: ${size} bytes came back as others`)) : undefined;
            clearTimeout(late);
            done(true);
          };
          channel.send(sent);
        });
        let back = await once(reliable ? 60000 : 5000);
        for (let again = 0; !reliable && !back && again < 5; again++) back = await once(5000);
        if (!back) throw new Error(`${channel.label}: ${size} bytes did not come back`);
        count++;
      }
    }
    channel.onclose = null;
  }));
  return count;
}

async function exchangeOver(page, onEnd, { kinds, sizes, loss = 0, most = 0 }) {
  const path = loss ? await delayedPath(0, loss) : null;
  path?.begin();
  const peer = startPeer(onEnd, ['--role', 'answerer', '--case', 'data', ...(most ? ['--max-message-size', String(most)] : [])]);
  const offered = await page.evaluate(offer, kinds);
  peer.say({ description: { type: 'offer', sdp: path ? path.near(offered) : offered } });
  const lines = await until(() => peer.lines.some(line => line.candidate === null) && peer.lines, 'the answer');
  const { sdp } = lines.find(line => line.description).description;
  const candidates = lines.map(line => line.candidate).filter(Boolean);
  await page.evaluate(answer, path ? { sdp: path.far(sdp, candidates.map(each => each.candidate)), candidates: [] } : { sdp, candidates });
  const count = await page.evaluate(exchange, sizes);
  await page.evaluate(() => globalThis.pc.close());
  path?.close();
  const error = peer.lines.find(line => line.error);
  if (error) throw new Error(error.error);
  if (path && path.count.lost < 0.5 * loss * path.count.passed) throw new Error('the packets found a path without loss');
  return count;
}

export default async function run({ onEnd }) {
  const server = http.createServer((_, response) => response.setHeader('content-type', 'text/html').end('<!doctype html>'));
  await new Promise(done => server.listen(0, '127.0.0.1', done));
  onEnd(() => server.close());
  const url = `http://localhost:${server.address().port}/`;
  const told = [];
  for (const [name, browser, more] of [['Chromium', chromium, []], ['Firefox', firefox, [300_000]]]) {
    const page = await browser.open(await browser.launch(onEnd), url);
    const all = await exchangeOver(page, onEnd, { kinds: KINDS, sizes: [...SIZES, ...more], most: Math.max(0, ...more) });
    const lossy = await exchangeOver(page, onEnd, { kinds: RELIABLE, sizes: FEW, loss: 0.1 });
    told.push(`${name}: ${all} messages over ${KINDS.length} kinds of channels, ${lossy} with a tenth of all packets lost`);
  }
  return told.join('; ');
}
