// How long a data channel takes to open at who offers it, over a path of 200 ms: Kaon with Chromium in both roles beside Chromium with
// Chromium, as they are by default and with SPED and SNAP. Whoever answers is the client of DTLS (active) or its server (passive).
// Descriptions take no time. By default Kaon is a round trip sooner wherever it offers or is the server
// (docs/adr/0011).

import { retryingPage, TRIALS } from '../lib/chromium.mjs';
import { startPeer, until } from '../lib/kaon.mjs';
import { delayedPath } from '../lib/relay.mjs';

export const seconds = 240;

const DELAY = 100;
const SLACK = 90; // of a busy machine and the pace of checks; half a round trip is 100
const SOONER = 200; // a round trip

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
  const soon = (condition, what) => until(() => peer.lines.find(condition), what, 10, 1);
  const described = async () => {
    const { description } = await soon(line => line.description, 'the description of Kaon');
    await soon(line => line.candidate === null, 'the candidates of Kaon');
    return [description.sdp, peer.lines.map(line => line.candidate?.candidate).filter(Boolean)];
  };
  return {
    offer: () => { start('offerer'); return described(); },
    answer: sdp => { start('answerer'); peer.say({ description: { type: 'offer', sdp } }); return described(); },
    async accept(sdp) {
      const begin = Date.now();
      peer.say({ description: { type: 'answer', sdp } });
      await soon(line => line.event === 'open', 'an open channel');
      return Date.now() - begin;
    },
    async close() { for (const cleanup of cleanups) await cleanup(); },
  };
}

/** Chromium answers active, unless the offer leaves it no choice. */
const forced = (sdp, setup) => (setup === 'passive' ? sdp.replace(/a=setup:actpass/g, 'a=setup:active') : sdp);

async function once(offerer, answerer, setup, choose) {
  const path = await delayedPath(DELAY);
  try {
    const offer = path.near(...[await offerer.offer()].flat());
    const answer = path.far(...[await answerer.answer(choose(offer, setup))].flat());
    if (!answer.includes(`a=setup:${setup}`)) throw new Error(`the answer is not ${setup}: ${answer}`);
    path.begin();
    return await offerer.accept(answer);
  } finally {
    for (const side of [offerer, answerer]) await side.close().catch(() => {});
    path.close();
  }
}

const median = values => [...values].sort((a, b) => a - b)[values.length >> 1];
const asOffered = sdp => sdp;

export default async function run({ full, onEnd }) {
  const told = [];
  const faults = [];
  for (const [what, trials] of [['default', ''], ['SPED and SNAP', TRIALS]]) {
    const { call, crashes } = await retryingPage(onEnd, trials);
    // What Kaon answers if nothing is set (docs/adr/0007).
    const kaonAnswers = setup => kaon((setup === 'passive') === Boolean(trials) ? [] : ['--setup', setup]);
    const pairs = {
      'Chromium with Chromium': (view, setup) => once(chromium(view, 'a'), chromium(view, 'b'), setup, forced),
      'Kaon offers to Chromium': (view, setup) => once(kaon(), chromium(view, 'b'), setup, forced),
      'Chromium offers to Kaon': (view, setup) => once(chromium(view, 'a'), kaonAnswers(setup), setup, asOffered),
    };
    const times = {};
    // By turns, so that all have the same load around them.
    for (let repetition = 0; repetition < (full ? 10 : 4); repetition++) {
      for (const setup of ['active', 'passive']) {
        for (const [name, pair] of Object.entries(pairs)) ((times[setup] ??= {})[name] ??= []).push(await call(view => pair(view, setup)));
      }
    }
    for (const [setup, ofSetup] of Object.entries(times)) {
      const medians = Object.fromEntries(Object.entries(ofSetup).map(([name, values]) => [name, median(values)]));
      told.push(`${what}, the answer ${setup}: ${Object.entries(medians).map(([name, ms]) => `${name} ${ms} ms`).join(', ')}`);
      const { 'Chromium with Chromium': reference, ...ours } = medians;
      for (const [name, ms] of Object.entries(ours)) {
        const sooner = !trials && (setup === 'passive' || name.startsWith('Kaon')) ? SOONER : 0;
        if (!(ms < reference - sooner + SLACK)) faults.push(`${what}, ${setup}: ${name} takes ${ms} ms, Chromium with itself ${reference} ms`);
      }
    }
    if (crashes()) told.push(`with ${what} Chromium crashed once`);
  }
  if (faults.length > 0) throw new Error(`${faults.join('; ')} (${told.join('; ')})`);
  return told.join('; ');
}
