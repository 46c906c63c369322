// Chromium publishes, Kaon forwards, Chromium watches: VP8 and H.264, with sound.

import { launch, open } from '../lib/chromium.mjs';
import { checkAddedDelay, serve } from '../lib/kaon.mjs';
import { publish, seeAndHear, watch } from '../lib/picture.mjs';

export const seconds = 150;

export default async function run({ onEnd, full }) {
  const server = await serve(onEnd);
  const browser = await launch(onEnd);
  const lines = [];
  const times = full ? { VP8: 60, H264: 60, VP9: 20, AV1: 20 } : { VP8: 20, H264: 10, VP9: 5, AV1: 5 };
  for (const [codec, time] of Object.entries(times)) {
    const from = await open(browser, server.url);
    const to = await open(browser, server.url);
    await publish(from, { name: codec, codec });
    await watch(to, codec);
    lines.push(`${codec}: ${await seeAndHear(to, time)}`);
    const faults = [...from.faults, ...to.faults];
    if (faults.length) throw new Error(faults.join('; '));
    await from.context().close();
    await to.context().close();
  }
  return `${lines.join('; ')}; ${await checkAddedDelay(server)}`;
}
