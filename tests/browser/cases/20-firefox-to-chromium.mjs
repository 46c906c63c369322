// Firefox publishes, Chromium watches: VP8, and H.264 if this Firefox can encode it.

import * as chromium from '../lib/chromium.mjs';
import * as firefox from '../lib/firefox.mjs';
import { checkAddedDelay, serve } from '../lib/kaon.mjs';
import { publish, seeAndHear, watch } from '../lib/picture.mjs';

export const seconds = 150;

export default async function run({ onEnd, full }) {
  const server = await serve(onEnd);
  const from = await firefox.open(await firefox.launch(onEnd), server.url);
  const to = await chromium.open(await chromium.launch(onEnd), server.url);
  const hasH264 = await from.evaluate(() => RTCRtpSender.getCapabilities('video').codecs.some(codec => /h264/i.test(codec.mimeType)));
  const lines = [];
  for (const codec of hasH264 ? ['VP8', 'H264'] : ['VP8']) {
    await publish(from, { name: codec, codec });
    await watch(to, codec);
    lines.push(`${codec}: ${await seeAndHear(to, full ? 60 : 20)}`);
    await from.evaluate(() => globalThis.publisher.close());
  }
  if (!hasH264) lines.push('this Firefox has no H.264');
  return `${lines.join('; ')}; ${await checkAddedDelay(server)}`;
}
