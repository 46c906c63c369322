// Addresses that hide behind names of Multicast DNS: Chromium, whose page may use no device, and Kaon find each other by them. The browser is
// another machine, a network namespace behind a veth pair, and only one side's candidates are passed on at a time.

import { execFileSync } from 'node:child_process';
import { launch, open } from '../lib/chromium.mjs';
import { offerEcho } from '../lib/echo.mjs';
import { startPeer, until } from '../lib/kaon.mjs';

export const seconds = 90;
export const needs = () => (process.getuid() === 0 ? null : 'needs root to make a second host');

const sh = command => execFileSync('bash', ['-c', command], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });

// Chromium's responder does not always start on an interface that has just come up; then gathering never ends, until the next start.
async function hidingPage(onEnd, prefix) {
  for (let attempt = 0; attempt < 5; attempt++) {
    const browser = await launch(onEnd, { prefix, hides: true });
    const page = await open(browser, 'about:blank');
    // A page without an origin gets no names.
    await page.route('http://localhost/', route => route.fulfill({ contentType: 'text/html', body: '<!doctype html>' }));
    await page.goto('http://localhost/');
    const gathered = offerEcho(page).then(() => true, () => false);
    if (await Promise.race([gathered, new Promise(done => { setTimeout(done, 3000, false); })])) return page;
    await browser.close();
  }
  throw new Error('Chromium gathers no candidates');
}

const withoutCandidates = sdp => sdp.replace(/a=(candidate|end-of-candidates).*\r\n/g, '');
const hosts = sdp => [...sdp.matchAll(/a=candidate:\S+ 1 udp \d+ (\S+)/g)].map(match => match[1]);

async function connect(page, onEnd, whoTells) {
  const kaon = startPeer(onEnd, ['--role', 'answerer', '--case', 'data', '--hide-addresses', '1']);
  const offer = await offerEcho(page);
  kaon.say({ description: { type: 'offer', sdp: whoTells === 'Chromium' ? offer : withoutCandidates(offer) } });
  const answer = await until(() => kaon.lines.find(line => line.description)?.description.sdp, 'the answer of Kaon');
  const told = hosts(whoTells === 'Chromium' ? offer : answer);
  if (told.length === 0 || told.some(host => !host.endsWith('.local'))) throw new Error(`${whoTells} tells ${told.join(' ') || 'nothing'}`);
  const before = Date.now();
  await page.evaluate(sdp => globalThis.pc.setRemoteDescription({ type: 'answer', sdp }), whoTells === 'Kaon' ? answer : withoutCandidates(answer));
  const echoed = await page.evaluate(() => Promise.race([globalThis.echoed, new Promise(done => { setTimeout(done, 15000, null); })]));
  if (echoed !== 'hello') throw new Error(`nothing came back over ${whoTells}'s name`);
  await page.evaluate(() => globalThis.pc.close());
  return `${Date.now() - before} ms by the name of ${whoTells}`;
}

export default async function run({ onEnd }) {
  const name = `kaon-hidden-${process.pid}`;
  sh(`ip netns add ${name} && ip netns exec ${name} sysctl -qw net.ipv6.conf.default.accept_dad=0 && ip link add kh0 type veth peer name kh1 netns ${name} && ip addr add 10.78.0.1/24 dev kh0 && ip link set kh0 up
      ip -n ${name} link set lo up; ip -n ${name} addr add 10.78.0.2/24 dev kh1; ip -n ${name} link set kh1 up; ip -n ${name} route add default via 10.78.0.1`);
  onEnd(() => sh(`ip netns del ${name}; ip link del kh0 2>/dev/null || true`));
  const page = await hidingPage(onEnd, `ip netns exec ${name}`);
  return `${await connect(page, onEnd, 'Chromium')}; ${await connect(page, onEnd, 'Kaon')}`;
}
