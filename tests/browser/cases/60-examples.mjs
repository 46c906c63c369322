// The page of the examples in Chromium, with play-from-disk, play-from-disk-renegotiation and reflect at the other end.

import { spawn } from 'node:child_process';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { launch, open } from '../lib/chromium.mjs';
import { program, until } from '../lib/kaon.mjs';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../..');
const folder = path.resolve(path.dirname(program), '../../examples/bin');
const media = name => path.join(root, 'testdata/media', name);

function example(onEnd, name, ...args) {
  const child = spawn(path.join(folder, name), args, { stdio: ['pipe', 'pipe', 'inherit'] });
  onEnd(() => child.kill('SIGKILL'));
  let text = '';
  child.stdout.on('data', bytes => { text += bytes; });
  return { say: line => child.stdin.write(`${line}\n`), output: () => text };
}

/** What a person does: the offer into the terminal, the answer into the page. */
async function connect(page, other) {
  await page.click('#offer');
  await page.waitForFunction(() => document.getElementById('local').value !== '');
  other.say(`${await page.inputValue('#local')}\n`);
  const answer = await until(() => /\r?\n\r?\n/.test(other.output()) && other.output(), 'an answer');
  await page.fill('#remote', answer);
  await page.click('#answer');
  await page.waitForFunction(() => document.getElementById('state').textContent === 'connected', null, { timeout: 20000 });
}

/** Pictures decoded on each of the page's video tracks. */
const decoded = page => page.evaluate(async () => [...(await globalThis.pc.getStats()).values()]
  .filter(s => s.type === 'inbound-rtp' && s.kind === 'video').map(s => s.framesDecoded));

export default async function run({ onEnd }) {
  const browser = await launch(onEnd);
  const url = pathToFileURL(path.join(root, 'examples/common/page.html')).href;
  const lines = [];

  let page = await open(browser, url);
  await connect(page, example(onEnd, 'play-from-disk', media('vp8.ivf'), media('opus.ogg')));
  await until(async () => (await decoded(page))[0] >= 12, 'pictures of play-from-disk');
  lines.push(`play-from-disk: ${await decoded(page)} pictures`);

  page = await open(browser, url);
  await page.uncheck('#receive');
  const player = example(onEnd, 'play-from-disk-renegotiation');
  await connect(page, player);
  for (const [count, file] of [[1, 'vp8.ivf'], [2, 'vp9.ivf']]) {
    player.say(`add ${media(file)}`);
    await until(async () => (await decoded(page)).filter(frames => frames >= 20).length === count, `track ${count}`);
  }
  player.say('remove');
  await page.waitForFunction(() => globalThis.pc.getTransceivers().filter(t => t.currentDirection === 'recvonly').length === 1);
  lines.push('play-from-disk-renegotiation: two tracks added, one removed');

  page = await open(browser, url);
  await page.check('#send');
  await connect(page, example(onEnd, 'reflect'));
  await until(async () => (await decoded(page))[0] >= 60, 'pictures of reflect');
  lines.push(`reflect: ${await decoded(page)} pictures back`);
  return lines.join('; ');
}
