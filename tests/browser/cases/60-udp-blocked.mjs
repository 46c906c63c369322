// No UDP packet passes: Chromium publishes and watches over ICE-TCP.

import { spawnSync } from 'node:child_process';
import { launch, open } from '../lib/chromium.mjs';
import { serve } from '../lib/kaon.mjs';
import { publish, seeAndHear, watch } from '../lib/picture.mjs';

export const seconds = 90;

function ip(words) {
  const done = spawnSync('ip', words.split(' '), { encoding: 'utf8' });
  if (done.status !== 0) throw new Error(`ip ${words}: ${done.stderr}`);
}

export const needs = () => (process.getuid() === 0 ? null : 'UDP is blocked by routing rules, which want root and a network namespace');

export default async function run({ onEnd }) {
  // The rule for local addresses stands first; it is moved behind the one that refuses UDP.
  ip('rule add pref 10 lookup local');
  ip('rule add pref 5 ipproto udp prohibit');
  ip('rule del pref 0');
  onEnd(() => {
    ip('rule add pref 0 lookup local');
    ip('rule del pref 5');
    ip('rule del pref 10');
  });
  const server = await serve(onEnd, ['--ice-tcp']);
  const browser = await launch(onEnd);
  const from = await open(browser, server.url);
  const to = await open(browser, server.url);
  await publish(from, { name: 'tcp', codec: 'VP8' });
  await watch(to, 'tcp');
  const seen = await seeAndHear(to, 10);
  const { connections } = await (await fetch(`${server.url}api/connections`)).json();
  const faults = [...from.faults, ...to.faults];
  if (faults.length) throw new Error(faults.join('; '));
  return `VP8: ${seen}; ${connections?.length ?? 0} connections`;
}
