// The key log of Kaon opens what was on the wire between it and Chromium, DTLS 1.2 and 1.3, Kaon as client and as server: Wireshark reads the
// Finished of both sides with the keys, and of neither without.

import path from 'node:path';
import { launch, open } from '../lib/chromium.mjs';
import { offerEcho } from '../lib/echo.mjs';
import { folder, serve, startPeer, until } from '../lib/kaon.mjs';
import { wireshark } from '../lib/wireshark.mjs';

export const seconds = 120;

const FINISHED = 'dtls.handshake.type == 20';

/** A call, at the end of which its files are written. */
async function call(page, args, env) {
  const ends = [];
  const kaon = startPeer(end => ends.push(end), ['--role', 'answerer', '--case', 'data', '--sped', '0', ...args], env);
  kaon.say({ description: { type: 'offer', sdp: await offerEcho(page) } });
  const sdp = await until(() => kaon.lines.find(line => line.description)?.description.sdp, 'the answer of Kaon');
  await until(() => kaon.lines.find(line => line.candidate === null), 'the last candidate of Kaon');
  const all = kaon.lines.filter(line => line.candidate).map(line => line.candidate);
  const echoed = await page.evaluate(async ({ sdp, all }) => {
    const { pc } = globalThis;
    await pc.setRemoteDescription({ type: 'answer', sdp });
    for (const candidate of all) await pc.addIceCandidate(candidate);
    const echoed = await Promise.race([globalThis.echoed, new Promise(done => { setTimeout(done, 15000, null); })]);
    pc.close();
    return echoed;
  }, { sdp, all });
  if (echoed !== 'hello') throw new Error('nothing came back');
  await Promise.all(ends.map(end => end()));
}

export default async function run({ onEnd }) {
  const reader = await wireshark();
  const files = folder(onEnd);
  const { url } = await serve(onEnd); // for a page
  const page = await open(await launch(onEnd), url);
  const lines = [];
  for (const version of ['1.2', '1.3']) {
    for (const setup of ['active', 'passive']) {
      const what = `${version}, Kaon ${setup}`;
      let opened = [];
      // Wireshark loses a handshake in which something was sent again, as happens on a busy machine.
      for (let attempt = 0; attempt < 5 && opened.length < 2; attempt++) {
        const [wire, keys] = ['pcapng', 'keys'].map(kind => path.join(files, `${version}-${setup}-${attempt}.${kind}`));
        await call(page, ['--setup', setup, '--max-dtls', version, '--capture-wire', wire], { SSLKEYLOGFILE: keys });
        const without = reader.infos(wire, FINISHED);
        if (without.length !== 0) throw new Error(`${what}: a Finished can be read without the keys: ${without}`);
        opened = reader.infos(wire, FINISHED, keys);
      }
      if (opened.length < 2) throw new Error(`${what}: of both sides' Finished the keys show ${opened.length}`);
      lines.push(`${what}: ${opened.join(' / ')}`);
    }
  }
  return lines.join('; ');
}
