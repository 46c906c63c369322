// Firefox publishes, Chromium watches.

import * as chromium from '../lib/chromium.mjs';
import * as firefox from '../lib/firefox.mjs';
import { serve } from '../lib/kaon.mjs';
import { audioEnergy, judge, observe, publish, watch } from '../lib/picture.mjs';

export const seconds = 150;

export default async function run({ onEnd }) {
  const server = await serve(onEnd);
  const from = await firefox.open(await firefox.launch(onEnd), server.url);
  const to = await chromium.open(await chromium.launch(onEnd), server.url);
  await publish(from, { name: 'fox' });
  await watch(to, 'fox');
  await to.waitForFunction(() => globalThis.seen.frames.length > 120, null, { timeout: 30000 });
  const figures = judge(await observe(to, 60), 60);
  if (!(await audioEnergy(to) > 0)) throw new Error('the sound is silent');
  return figures;
}
