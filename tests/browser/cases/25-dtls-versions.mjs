// Which DTLS version a connection has, in the statistics of both sides: Chromium and Firefox as they are, Kaon as their client and as their
// server; and what comes of it where one of the two is held to 1.2.

import * as chromium from '../lib/chromium.mjs';
import { offerEcho } from '../lib/echo.mjs';
import * as firefox from '../lib/firefox.mjs';
import { serve, startPeer, until } from '../lib/kaon.mjs';

export const seconds = 120;

const HELD_TO_12 = { 'media.peerconnection.dtls.version.max': 771 };

/** Connects and closes again: what came back, and what both statistics say of the transport. */
async function statistics(onEnd, page, setup, version) {
  const ends = [];
  const kaon = startPeer(end => ends.push(end), ['--role', 'answerer', '--case', 'data', '--setup', setup, '--max-dtls', version]);
  onEnd(() => Promise.all(ends.map(end => end())));
  kaon.say({ description: { type: 'offer', sdp: await offerEcho(page) } });
  const answer = await until(() => kaon.lines.find(line => line.description)?.description.sdp, 'the answer of Kaon');
  await until(() => kaon.lines.find(line => line.candidate === null), 'the last candidate of Kaon');
  const candidates = kaon.lines.filter(line => line.candidate).map(line => line.candidate);
  const [echoed, browser] = await page.evaluate(async ({ sdp, all }) => {
    const { pc } = globalThis;
    await pc.setRemoteDescription({ type: 'answer', sdp });
    for (const candidate of all) await pc.addIceCandidate(candidate);
    const echoed = await Promise.race([globalThis.echoed, new Promise(done => { setTimeout(done, 15000, null); })]);
    const transport = [...(await pc.getStats()).values()].find(each => each.type === 'transport');
    return [echoed, { tlsVersion: transport?.tlsVersion, dtlsCipher: transport?.dtlsCipher }];
  }, { sdp: answer, all: candidates });
  kaon.say({ ask: 'report' });
  const Kaon = await until(() => kaon.lines.find(line => line.event === 'report'), 'the report of Kaon');
  await page.evaluate(() => globalThis.pc.close());
  return { echoed, browser, Kaon };
}

function check(what, wanted, statistics) {
  for (const [side, { tlsVersion, dtlsCipher }] of Object.entries(statistics)) {
    if (tlsVersion !== wanted) throw new Error(`${what}: ${side} tells ${tlsVersion}, not ${wanted}`);
    if (!dtlsCipher?.startsWith('TLS_')) throw new Error(`${what}: ${side} tells no suite but ${dtlsCipher}`);
  }
}

export default async function run({ onEnd }) {
  const { url } = await serve(onEnd); // for a page
  const lines = [];
  for (const [name, module, preferences, versions] of [
    ['Chromium', chromium, undefined, ['1.3', '1.2']],
    ['Firefox', firefox, {}, ['1.3', '1.2']],
    ['Firefox held to 1.2', firefox, HELD_TO_12, ['1.3']],
  ]) {
    const page = await module.open(await module.launch(onEnd, preferences), url);
    for (const version of versions) {
      for (const setup of ['active', 'passive']) {
        const what = `${name}, Kaon ${setup} up to ${version}`;
        const wanted = version === '1.3' && preferences !== HELD_TO_12 ? 'FEFC' : 'FEFD';
        const { echoed, ...told } = await statistics(onEnd, page, setup, version);
        if (echoed !== 'hello') throw new Error(`${what}: nothing came back`);
        check(what, wanted, told);
        lines.push(`${what}: ${told.Kaon.tlsVersion} ${told.browser.dtlsCipher}`);
      }
    }
  }
  return lines.join('; ');
}
