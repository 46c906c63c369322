// One publisher, twenty viewers at once: two pages and eighteen `kaon record` processes; every one passes the same test of frame numbers.

import path from 'node:path';
import { launch, open } from '../lib/chromium.mjs';
import { checkAddedDelay, folder, serve, start } from '../lib/kaon.mjs';
import { judge, observe, publish, watch } from '../lib/picture.mjs';
import { readRecording } from '../lib/ivf.mjs';

export const seconds = 240;

const SETTLE_MS = 3000; // eighteen viewers at once ask for key frames, and the encoder drops frames for them

export default async function run({ onEnd, full }) {
  const time = full ? 60 : 15;
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
  const seen = await Promise.all(pages.map(page => observe(page, time)));
  const lines = seen.map(s => judge(s, time));
  lines.push(await checkAddedDelay(server));
  await Promise.all(recorders.map(async ({ process: child, ended, output }) => {
    child.kill('SIGINT');
    const code = await ended;
    if (code !== 0) throw new Error(`kaon record ended with ${code}: ${output()}`);
  }));
  const figures = recorders.map(({ file }) => {
    const { frames, damaged } = readRecording(file, 640, 360);
    const settled = frames.filter(({ at }) => at - frames[0].at >= SETTLE_MS);
    try {
      return judge({ frames: settled, damaged }, time);
    } catch (error) {
      throw new Error(`${path.basename(file)}: ${error.message}`);
    }
  });
  return `${lines.join('; ')}; worst file: ${figures.sort((a, b) => fewest(a) - fewest(b))[0]}`;
}

const fewest = figures => Number(figures.match(/at least (\d+)/)[1]);
