// The page as a person uses it: publish, watch, chat, file round trip, graphs, stop. Leaves a screenshot.

import fs from 'node:fs';
import path from 'node:path';
import { launch, open } from '../lib/chromium.mjs';
import { folder, memory, serve, until } from '../lib/kaon.mjs';

export const seconds = 240;

export default async function run({ onEnd, full }) {
  const server = await serve(onEnd);
  const browser = await launch(onEnd);
  const anna = await open(browser, server.url);
  const ben = await open(browser, server.url);

  await anna.fill('#name', 'demo');
  await anna.click('#publish');
  await ben.click('button[aria-label="Watch demo"]', { timeout: 15000 });
  await ben.waitForFunction(() => document.querySelector('.player video')?.currentTime > 2, null, { timeout: 20000 });

  await ben.waitForSelector('#chat-text:enabled');
  await ben.fill('#chat-text', 'hello from Ben');
  await ben.press('#chat-text', 'Enter');
  await anna.waitForSelector('#messages li:has-text("hello from Ben")', { timeout: 5000 });
  await anna.fill('#chat-text', 'hello from Anna');
  await anna.press('#chat-text', 'Enter');
  await ben.waitForSelector('#messages li:has-text("hello from Anna")', { timeout: 5000 });

  const size = full ? 1e9 : 5e7;
  const file = path.join(folder(onEnd), 'file.bin');
  const out = fs.openSync(file, 'w');
  for (let block = Buffer.alloc(1 << 20), at = 0; at < size; at += block.length) {
    block.writeDoubleLE(Math.random(), 0);
    fs.writeSync(out, block, 0, Math.min(block.length, size - at));
  }
  fs.closeSync(out);
  await ben.setInputFiles('#file', file);
  let peak = 0;
  await until(() => ben.evaluate(() => document.querySelector('#file-progress').value > 0.1), 'the first tenth of the file', 120);
  const before = memory(server.process.pid);
  await until(async () => {
    peak = Math.max(peak, memory(server.process.pid));
    return /checksums|ended/.test(await ben.textContent('#file-result'));
  }, 'the file back', full ? 1500 : 120);
  const result = await ben.textContent('#file-result');
  if (!result.includes('checksums equal')) throw new Error(result);
  if (peak - before > 16 * 1024) throw new Error(`memory of kaon grew by ${peak - before} KiB during the transfer`);

  await ben.waitForFunction(() => [...document.querySelectorAll('.connection figcaption b')].filter(b => /\d/.test(b.textContent)).length >= 4);
  const shots = process.env.KAON_SCREENSHOTS;
  if (shots) {
    await ben.screenshot({ path: path.join(shots, 'watching.png'), fullPage: true });
    await anna.screenshot({ path: path.join(shots, 'publishing.png'), fullPage: true });
  }
  await anna.click('#publish');
  await ben.waitForSelector('.player', { state: 'detached', timeout: 15000 });
  if (anna.faults.length + ben.faults.length) throw new Error([...anna.faults, ...ben.faults].join('; '));
  return `${result.replace(/, SHA.*/, '')}; memory +${peak - before} KiB`;
}
