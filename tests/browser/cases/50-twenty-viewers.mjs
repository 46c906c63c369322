// One publisher, twenty viewers at once: two pages and eighteen `kaon record` processes; every one gets every second of the picture.

import fs from 'node:fs';
import path from 'node:path';
import { launch, open } from '../lib/chromium.mjs';
import { folder, serve, start } from '../lib/kaon.mjs';
import { judge, observe, publish, watch } from '../lib/picture.mjs';
import { ivfTimes } from '../lib/ivf.mjs';

const TIME = 30;
const SETTLE = 3; // seconds: eighteen viewers at once ask for key frames, and the encoder drops frames for them

export default async function run({ onEnd }) {
  const server = await serve(onEnd);
  const browser = await launch(onEnd);
  const from = await open(browser, server.url);
  await publish(from, { name: 'many', codec: 'VP8' });
  const pages = [await open(browser, server.url), await open(browser, server.url)];
  for (const page of pages) await watch(page, 'many');
  const files = folder(onEnd);
  const recorders = Array.from({ length: 18 }, (_, i) => {
    const file = path.join(files, `${i}.ivf`);
    return { file, ...start(onEnd, ['record', `${server.url}whep/many`, file]) };
  });
  for (const page of pages) await page.waitForFunction(() => globalThis.seen.frames.length > 120, null, { timeout: 30000 });
  const seen = await Promise.all(pages.map(page => observe(page, TIME)));
  const figures = seen.map(s => judge(s, TIME));
  await Promise.all(recorders.map(async ({ process: child, ended, output, file }) => {
    child.kill('SIGINT');
    const code = await ended;
    if (code !== 0) throw new Error(`kaon record ended with ${code}: ${output()}`);
    // The picture has 30 frames a second; a recorder passes with at least 24 in every second of its file and no gap over half a second.
    const all = ivfTimes(fs.readFileSync(file));
    const times = all.filter(t => t - all[0] >= SETTLE);
    const whole = Math.floor(times.at(-1) - times[0]);
    if (whole < TIME) throw new Error(`${file}: only ${whole} s recorded`);
    for (let s = 0; s < whole; s++) {
      const inside = times.filter(t => t - times[0] >= s && t - times[0] < s + 1).length;
      if (inside < 24) throw new Error(`${file}: ${inside} frames in second ${s}`);
    }
    for (let i = 1; i < times.length; i++) if (times[i] - times[i - 1] > 0.5) throw new Error(`${file}: a gap of ${times[i] - times[i - 1]} s`);
  }));
  return figures.join('; ');
}
