// Chromium may send UDP nowhere, and no media over TCP to the media port: it publishes and watches through the TURN server inside
// `kaon serve`, over TLS and over TCP.

import fs from 'node:fs';
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { launch, open } from '../lib/chromium.mjs';
import { folder, serve } from '../lib/kaon.mjs';
import { publish, seeAndHear, watch } from '../lib/picture.mjs';

export const seconds = 120;

const MEDIA_PORT = 61500; // outside of the ports that the system gives to programs, which the rule refuses
const RELAY_PORTS = '62000-62100';

function run(program, words) {
  const done = spawnSync(program, words.split(' '), { encoding: 'utf8' });
  if (done.status !== 0) throw new Error(`${program} ${words}: ${done.stderr}`);
}

export const needs = () => (process.getuid() === 0 ? null : 'UDP is blocked by routing rules, which want root and a network namespace');

/** Only servers of the given kind are left to the page. */
async function onlyServers(page, kind) {
  await page.addInitScript(wanted => {
    const Original = RTCPeerConnection;
    globalThis.RTCPeerConnection = class extends Original {
      setConfiguration(configuration) {
        const iceServers = configuration.iceServers.filter(({ urls }) => urls.startsWith(wanted) && urls.endsWith('tcp'));
        if (iceServers.length !== 1) throw new Error(`of ${JSON.stringify(configuration.iceServers)} one should be ${wanted}`);
        super.setConfiguration({ ...configuration, iceServers, iceTransportPolicy: 'relay' });
      }
    };
  }, kind);
  await page.reload();
}

export default async function relayed({ onEnd }) {
  run('ip', 'rule add pref 10 lookup local');
  run('ip', 'rule add pref 5 ipproto udp sport 32768-60999 prohibit');
  run('ip', 'rule del pref 0');
  onEnd(() => {
    run('ip', 'rule add pref 0 lookup local');
    run('ip', 'rule del pref 5');
    run('ip', 'rule del pref 10');
  });
  const files = folder(onEnd);
  const [certificate, key] = ['certificate.pem', 'key.pem'].map(name => path.join(files, name));
  run('openssl', `req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost -keyout ${key} -out ${certificate}`);
  if (!fs.existsSync(key)) throw new Error('no certificate was made');
  const server = await serve(onEnd, ['--udp', MEDIA_PORT, '--turn', '127.0.0.1:0', '--turns', '127.0.0.1:0', '--cert', certificate,
    '--key', key, '--turn-ports', RELAY_PORTS]);
  const browser = await launch(onEnd, { flags: ['--ignore-certificate-errors'] });
  const seen = [];
  for (const kind of ['turns:', 'turn:']) {
    const [from, to] = [await open(browser, server.url), await open(browser, server.url)];
    for (const page of [from, to]) await onlyServers(page, kind);
    await publish(from, { name: `by-${kind.slice(0, -1)}`, codec: 'VP8' });
    await watch(to, `by-${kind.slice(0, -1)}`);
    seen.push(`${kind} ${await seeAndHear(to, 10)}`);
    const faults = [...from.faults, ...to.faults];
    if (faults.length) throw new Error(faults.join('; '));
    await from.close();
    await to.close();
  }
  return seen.join('; ');
}
