// How long a data channel takes to open at who offers it, over a path of 200 ms: Kaon with Chromium in both roles beside Chromium with
// Chromium, as they are by default. Descriptions take no time.

import { emptyPage } from '../lib/chromium.mjs';
import { startPeer, until } from '../lib/kaon.mjs';
import { delayedPath } from '../lib/relay.mjs';

export const seconds = 180;

const DELAY = 100;
const SLACK = 90; // of a busy machine and the pace of checks; half a round trip is 100
const sleep = ms => new Promise(done => { setTimeout(done, ms); });

/** A connection of a page, under a name. */
const chromium = (view, name) => ({
  offer: () => view.evaluate(async key => {
    const pc = new RTCPeerConnection();
    const channel = pc.createDataChannel('echo');
    globalThis[key] = { pc, opened: new Promise(done => { channel.onopen = () => done(Date.now()); }) };
    await pc.setLocalDescription();
    while (pc.iceGatheringState !== 'complete') await new Promise(done => { pc.onicegatheringstatechange = done; });
    return pc.localDescription.sdp;
  }, name),
  answer: sdp => view.evaluate(async ([key, offer]) => {
    const pc = new RTCPeerConnection();
    globalThis[key] = { pc };
    pc.ondatachannel = ({ channel }) => { channel.onmessage = ({ data }) => channel.send(data); };
    await pc.setRemoteDescription({ type: 'offer', sdp: offer });
    await pc.setLocalDescription();
    while (pc.iceGatheringState !== 'complete') await new Promise(done => { pc.onicegatheringstatechange = done; });
    return pc.localDescription.sdp;
  }, [name, sdp]),
  accept: sdp => view.evaluate(async ([key, answer]) => {
    const begin = Date.now();
    await globalThis[key].pc.setRemoteDescription({ type: 'answer', sdp: answer });
    const late = new Promise(done => { setTimeout(done, 10000, Infinity); });
    return await Promise.race([globalThis[key].opened, late]) - begin;
  }, [name, sdp]),
  close: () => view.evaluate(key => globalThis[key]?.pc.close(), name),
});

/** The same of Kaon's peer. */
function kaon(args = []) {
  let peer;
  const cleanups = [];
  const start = role => { peer = startPeer(cleanup => cleanups.push(cleanup), ['--role', role, '--case', 'data', '--sizes', '1', ...args]); };
  const described = async () => {
    const { sdp } = await until(() => peer.lines.find(line => line.description)?.description, 'the description of Kaon');
    await until(() => peer.lines.some(line => line.candidate === null), 'the candidates of Kaon');
    return [sdp, peer.lines.map(line => line.candidate?.candidate).filter(Boolean)];
  };
  return {
    offer: () => { start('offerer'); return described(); },
    answer: sdp => { start('answerer'); peer.say({ description: { type: 'offer', sdp } }); return described(); },
    async accept(sdp) {
      const begin = Date.now();
      peer.say({ description: { type: 'answer', sdp } });
      const end = begin + 10000;
      while (!peer.lines.some(line => line.event === 'open')) {
        if (Date.now() > end) return Infinity;
        await sleep(1);
      }
      return Date.now() - begin;
    },
    async close() { for (const cleanup of cleanups) await cleanup(); },
  };
}

async function once(offerer, answerer) {
  const path = await delayedPath(DELAY);
  try {
    const offer = path.near(...[await offerer.offer()].flat());
    const answer = path.far(...[await answerer.answer(offer)].flat());
    return await offerer.accept(answer);
  } finally {
    await offerer.close();
    await answerer.close();
    path.close();
  }
}

const median = values => [...values].sort((a, b) => a - b)[values.length >> 1];

export default async function run({ full, onEnd }) {
  const told = [];
  for (const [what, trials] of [['default', '']]) {
    const view = await emptyPage(onEnd, trials);
    const pairs = {
      'Chromium with Chromium': () => [chromium(view, 'a'), chromium(view, 'b')],
      'Chromium offers to Kaon': () => [chromium(view, 'a'), kaon()],
      'Chromium offers to Kaon, which answers active': () => [chromium(view, 'a'), kaon(['--setup', 'active'])],
      'Kaon offers to Chromium': () => [kaon(), chromium(view, 'b')],
    };
    const times = {};
    // By turns, so that all have the same load around them.
    for (let repetition = 0; repetition < (full ? 10 : 4); repetition++) {
      for (const [name, pair] of Object.entries(pairs)) (times[name] ??= []).push(await once(...pair()));
    }
    const medians = Object.fromEntries(Object.entries(times).map(([name, values]) => [name, median(values)]));
    told.push(`${what}: ${Object.entries(medians).map(([name, ms]) => `${name} ${ms} ms`).join(', ')}`);
    const { 'Chromium with Chromium': reference, ...ours } = medians;
    // Without SPED a passive answer costs the head start that the answerer has over the answer (docs/adr/0007).
    if (!trials) delete ours['Chromium offers to Kaon'];
    for (const [name, ms] of Object.entries(ours)) {
      if (!(ms < reference + SLACK)) throw new Error(`${name} takes ${ms} ms, Chromium with itself ${reference} ms (${told.join('; ')})`);
    }
  }
  return told.join('; ');
}
