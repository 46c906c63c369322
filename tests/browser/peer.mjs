// Chromium as a peer of the interoperability tests, case "call" (tests/interop/peers/README.md): started with --role, --ice-servers, --ice-user,
// --ice-password and --prefix, which is what the browser's command begins with (`ip netns exec NAME`), while this driver stays outside.

import readline from 'node:readline';
import { launch, open } from './lib/chromium.mjs';

const options = {};
for (let at = 2; at + 1 < process.argv.length; at += 2) options[process.argv[at].replace(/^--/, '')] = process.argv[at + 1];
const tell = line => process.stdout.write(`${JSON.stringify(line)}\n`);
const cleanups = [];

/** Runs in the page: a connection that sends the sound of the fake microphone. */
async function prepare({ urls, username, credential }) {
  const pc = new RTCPeerConnection({ iceServers: urls.map(url => ({ urls: url, username, credential })) });
  globalThis.pc = pc;
  pc.onicecandidate = ({ candidate }) => tell({ candidate: candidate?.candidate ? { candidate: candidate.candidate, sdpMid: candidate.sdpMid } : null });
  pc.onconnectionstatechange = () => {
    if (pc.connectionState === 'connected') tell({ event: 'connected' });
    if (pc.connectionState === 'failed') tell({ error: 'the connection failed' });
  };
  const stream = await navigator.mediaDevices.getUserMedia({ audio: true });
  pc.addTrack(stream.getAudioTracks()[0], stream);
  const early = [];
  let before = { received: 0, missing: 0 };
  globalThis.negotiate = async description => {
    if (description) await pc.setRemoteDescription(description);
    for (const candidate of early.splice(0)) await pc.addIceCandidate(candidate);
    if (description?.type === 'answer') return;
    const local = description ? await pc.createAnswer() : await pc.createOffer();
    tell({ description: { type: local.type, sdp: local.sdp } }); // candidates come as soon as it is set
    await pc.setLocalDescription(local);
  };
  globalThis.add = async candidate => {
    if (!pc.remoteDescription) early.push(candidate);
    else await pc.addIceCandidate(candidate);
  };
  globalThis.report = async () => {
    const stats = await pc.getStats();
    const all = [...stats.values()];
    const transport = all.find(each => each.type === 'transport');
    const inbound = all.find(each => each.type === 'inbound-rtp');
    const now = { received: inbound?.packetsReceived ?? 0, missing: inbound?.packetsLost ?? 0 };
    const told = { event: 'report', role: transport?.iceRole, sent: all.find(each => each.type === 'outbound-rtp')?.packetsSent ?? 0,
      received: now.received - before.received, missing: now.missing - before.missing };
    before = now;
    const pair = stats.get(transport?.selectedCandidatePairId);
    const candidate = id => {
      const { candidateType: type, protocol, relayProtocol, address, port } = stats.get(id);
      return { type, protocol, relayProtocol, address, port };
    };
    if (pair) Object.assign(told, { local: candidate(pair.localCandidateId), remote: candidate(pair.remoteCandidateId) });
    tell(told);
  };
}

async function handle(page, line) {
  if (line.description) await page.evaluate(description => globalThis.negotiate(description), line.description);
  else if (line.candidate) await page.evaluate(candidate => globalThis.add(candidate), line.candidate);
  else if (line.ask === 'report') await page.evaluate(() => globalThis.report());
  else if (line.ask === 'restart') {
    tell({ event: 'restart' });
    await page.evaluate(() => { globalThis.pc.restartIce(); return globalThis.negotiate(); });
  }
}

const input = readline.createInterface({ input: process.stdin })[Symbol.asyncIterator]();
try {
  const browser = await launch(cleanup => cleanups.push(cleanup), { prefix: options.prefix, flags: ['--ignore-certificate-errors'] });
  const page = await open(browser, 'about:blank');
  // Answered here: a page that may use devices, without a server.
  await page.route('http://localhost/', route => route.fulfill({ contentType: 'text/html', body: '<!doctype html>' }));
  await page.goto('http://localhost/');
  await page.exposeFunction('tell', tell);
  await page.evaluate(prepare, { urls: options['ice-servers']?.split(',').filter(Boolean) ?? [], username: options['ice-user'], credential: options['ice-password'] });
  if (options.role === 'offerer') await page.evaluate(() => globalThis.negotiate());
  for (let next = await input.next(); !next.done; next = await input.next()) {
    const line = JSON.parse(next.value);
    if (line.stop) break;
    await handle(page, line);
  }
} catch (error) {
  tell({ error: String(error) });
}
for (const cleanup of cleanups.reverse()) await cleanup().catch(() => {});
process.exit(0);
