// Chromium publishes, Kaon forwards, Chromium watches: VP8 and H.264, with sound.

import { launch, open } from '../lib/chromium.mjs';
import { serve } from '../lib/kaon.mjs';
import { audioEnergy, judge, observe, publish, watch } from '../lib/picture.mjs';

export const seconds = 240;

export default async function run({ onEnd }) {
  const server = await serve(onEnd);
  const browser = await launch(onEnd);
  const lines = [];
  for (const [codec, time] of [['VP8', 60], ['H264', 30], ['VP9', 8], ['AV1', 8]]) {
    const from = await open(browser, server.url);
    const to = await open(browser, server.url);
    await publish(from, { name: codec, codec });
    await watch(to, codec);
    await to.waitForFunction(() => globalThis.seen.frames.length > 120, null, { timeout: 30000 });
    lines.push(`${codec}: ${judge(await observe(to, time), time)}`);
    if (!(await audioEnergy(to) > 0)) throw new Error(`${codec}: the sound is silent`);
    const faults = [...from.faults, ...to.faults];
    if (faults.length) throw new Error(faults.join('; '));
    await from.context().close();
    await to.context().close();
  }
  const status = await (await fetch(`${server.url}api/status`)).json();
  if (!(status.forward_delay_ms_median < 5)) throw new Error(`the server adds ${status.forward_delay_ms_median} ms in the median`);
  return `${lines.join('; ')}; added by the server: ${status.forward_delay_ms_median} ms`;
}
