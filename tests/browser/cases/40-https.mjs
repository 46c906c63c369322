// Over HTTPS a page of another machine gets the camera: with the certificate kaon makes for itself (the same after a restart) and with one
// given by files. The other machine is a network namespace behind a veth pair.

import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { launch, open } from '../lib/chromium.mjs';
import { folder, serve, until } from '../lib/kaon.mjs';

export const needs = () => (process.getuid() === 0 ? null : 'needs root to make a second host');

const sh = command => execFileSync('bash', ['-c', command], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });

async function publishCamera(browser, url) {
  const page = await open(browser, url, { ignoreHTTPSErrors: true });
  await page.fill('#name', 'camera');
  await page.check('input[value=camera]', { force: true });
  await page.click('#publish');
  let streams = [];
  try {
    await until(async () => {
      ({ streams } = await page.evaluate(async () => (await fetch('/api/streams')).json()));
      return streams.some(s => s.name === 'camera' && s.kilobits > 50);
    }, `media of the camera over ${url}`);
  } catch (late) {
    throw new Error(`${late.message}; the page says "${await page.textContent('#publish-error')}", the server ${JSON.stringify(streams)}`);
  }
  await page.context().close();
}

export default async function run({ onEnd }) {
  const name = `kaon-host-${process.pid}`;
  // Without IPv6, whose address comes a second after the link and is to Chromium a change of the network, at which it gives up requests.
  sh(`ip netns add ${name} && ip netns exec ${name} sysctl -qw net.ipv6.conf.default.disable_ipv6=1 && ip link add kt0 type veth peer name kt1 netns ${name} && ip addr add 10.77.0.1/24 dev kt0 && ip link set kt0 up
      ip -n ${name} link set lo up; ip -n ${name} addr add 10.77.0.2/24 dev kt1; ip -n ${name} link set kt1 up; ip -n ${name} route add default via 10.77.0.1`);
  onEnd(() => sh(`ip netns del ${name}; ip link del kt0 2>/dev/null || true`));
  const state = folder(onEnd);
  const browser = await launch(onEnd, { prefix: `ip netns exec ${name}` });
  const https = async args => {
    const stops = [];
    const server = await serve(stop => stops.push(stop), ['--https', '10.77.0.1:0', ...args], { env: { ...process.env, XDG_STATE_HOME: state } });
    onEnd(() => Promise.all(stops.map(stop => stop())));
    const [url] = await until(() => server.output().match(/https:\/\/10\.77\.0\.1:\d+\//), 'the HTTPS address');
    const fingerprint = sh(`echo | timeout 5 openssl s_client -connect ${new URL(url).host} 2>/dev/null | openssl x509 -noout -fingerprint -sha256`);
    return { url, fingerprint, stop: () => Promise.all(stops.splice(0).map(stop => stop())) };
  };

  const first = await https([]);
  await publishCamera(browser, first.url);
  await first.stop();
  const second = await https([]);
  if (second.fingerprint !== first.fingerprint) throw new Error('the self-signed certificate changed between two runs');
  await second.stop();

  sh(`cd ${state} && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key.pem -out cert.pem -days 2 -subj /CN=kaon.test 2>/dev/null`);
  const own = await https(['--cert', path.join(state, 'cert.pem'), '--key', path.join(state, 'key.pem')]);
  if (own.fingerprint === first.fingerprint) throw new Error('the given certificate is not the one in use');
  await publishCamera(browser, own.url);
}
