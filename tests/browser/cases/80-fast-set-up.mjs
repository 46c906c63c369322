// SNAP and SPED with Chromium, whose trials are switched on, in all roles. As Kaon's own capture shows, the INITs of SCTP stand in the
// descriptions and no handshake of it goes over the wire; and connectivity checks carry the handshake of DTLS, each side's packets or the
// acknowledgement of the other's. Without the trials, and with Kaon's switches off, everything is as ever.

import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { retryingPage, TRIALS } from '../lib/chromium.mjs';
import { folder, program, startPeer, until } from '../lib/kaon.mjs';

export const seconds = 120;

// In the page. As answerer it sends everything back, as Kaon's peer wants it; as offerer it sends one message and waits for it.
const prepare = role => {
  const pc = new RTCPeerConnection();
  globalThis.pc = pc;
  globalThis.echoed = new Promise(done => {
    const channel = role === 'offerer' && pc.createDataChannel('echo');
    if (channel) Object.assign(channel, { onopen: () => channel.send('hello'), onmessage: ({ data }) => done(data) });
    pc.ondatachannel = ({ channel: theirs }) => { theirs.onmessage = ({ data }) => theirs.send(data); };
  });
};
const describe = async remote => {
  if (remote) await globalThis.pc.setRemoteDescription(remote);
  if (remote?.type === 'answer') return null;
  await globalThis.pc.setLocalDescription();
  while (globalThis.pc.iceGatheringState !== 'complete') await new Promise(done => { globalThis.pc.onicegatheringstatechange = done; });
  return { type: globalThis.pc.localDescription.type, sdp: globalThis.pc.localDescription.sdp };
};

/** One call; what both descriptions said, and what `kaon inspect` reads in Kaon's capture. */
async function call(page, capture, kaonRole, args = []) {
  const cleanups = [];
  try {
    const kaon = startPeer(cleanup => cleanups.push(cleanup), ['--role', kaonRole, '--case', 'data', '--capture', capture, ...args]);
    const pass = candidate => page.evaluate(init => globalThis.pc.addIceCandidate(init), candidate);
    const described = () => until(() => kaon.lines.find(line => line.description)?.description, `the description of Kaon as ${kaonRole}`);
    const descriptions = [];
    if (kaonRole === 'answerer') {
      await page.evaluate(prepare, 'offerer');
      descriptions.push(await page.evaluate(describe));
      kaon.say({ description: descriptions[0] });
      descriptions.push(await described());
      await page.evaluate(describe, descriptions[1]);
    } else {
      await page.evaluate(prepare, 'answerer');
      descriptions.push(await described());
      descriptions.push(await page.evaluate(describe, descriptions[0]));
      kaon.say({ description: descriptions[1] });
    }
    for (const { candidate } of kaon.lines) if (candidate) await pass(candidate);
    if (kaonRole === 'answerer') {
      const echoed = await page.evaluate(() => Promise.race([globalThis.echoed, new Promise(done => { setTimeout(done, 15000, null); })]));
      if (echoed !== 'hello') throw new Error(`Kaon as answerer: nothing came back${kaon.lines.map(line => ` ${line.error ?? ''}`)}`);
    } else {
      const end = await until(() => kaon.lines.find(line => line.result || line.error), 'the result of Kaon as offerer');
      if (end.error) throw new Error(end.error);
    }
    await page.evaluate(() => globalThis.pc.close());
    const [kaonSaid, chromiumSaid] = kaonRole === 'offerer' ? descriptions : [...descriptions].reverse();
    const port = Number(kaon.lines.find(line => line.candidate?.candidate).candidate.candidate.split(' ')[5]);
    return { kaonSaid: kaonSaid.sdp, chromiumSaid: chromiumSaid.sdp, wire: capture, port };
  } finally {
    for (const cleanup of cleanups) await cleanup();
  }
}

const inspect = capture => execFileSync(program, ['inspect', capture], { encoding: 'utf8', maxBuffer: 1 << 26 });

function check(told, what, used) {
  const text = inspect(told.wire);
  if (!/\bI?-?DATA tsn/.test(text)) throw new Error(`${what}: no DATA in the capture`);
  const greeted = /\b(INIT|INIT-ACK|COOKIE-ECHO|COOKIE-ACK)\b/.test(text);
  if (greeted === used) throw new Error(`${what}: ${greeted ? 'SCTP shook hands' : 'SCTP did not shake hands'}`);
  for (const [line, whose] of [[/a=sctp-init:\S+/, 'SNAP'], [/a=ice-options:.*\bsped\b/, 'SPED']]) {
    if (used && !(line.test(told.kaonSaid) && line.test(told.chromiumSaid))) throw new Error(`${what}: a description has no ${whose}`);
  }
  const checks = text.split(/^(?=#)/m).filter(packet => packet.includes('STUN Binding'));
  const carrying = checks.filter(packet => /DTLS-IN-STUN(-ACK)? [0-9a-f]/.test(packet));
  const ours = carrying.filter(packet => packet.split(' ')[2].endsWith(`:${told.port}`)).length;
  if (used && (ours === 0 || ours === carrying.length || !/DTLS-IN-STUN [0-9a-f]/.test(text))) throw new Error(`${what}: checks that carried: ${ours} of Kaon's and ${carrying.length - ours} of Chromium's`);
  if (!used && text.includes('DTLS-IN-STUN')) throw new Error(`${what}: checks carried something`);
}

export default async function run({ onEnd }) {
  const files = folder(onEnd);
  const cases = [
    ['with the trials', TRIALS, [], true],
    ['with the trials, Kaon without', TRIALS, ['--snap', '0', '--sped', '0'], false],
    ['without the trials', '', [], false],
  ];
  let calls = 0;
  let crashes = 0;
  for (const [what, trials, args, used] of cases) {
    const { call: onPage, crashes: crashesNow } = await retryingPage(onEnd, trials);
    for (const [role, setup] of [['offerer', []], ['answerer', ['--setup', 'passive']], ['answerer', ['--setup', 'active']]]) {
      const told = await onPage(page => call(page, path.join(files, `${calls++}.pcapng`), role, [...args, ...setup]));
      check(told, `${what}, Kaon as ${role} ${setup.join(' ')}`, used);
    }
    crashes += crashesNow();
  }
  return `${calls - crashes} calls, 3 of them with SNAP and SPED${crashes ? '; Chromium crashed once' : ''}`;
}
