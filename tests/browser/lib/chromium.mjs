// Debian's Chromium, headless, through playwright-core.

import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { chromium } from 'playwright-core';

// With these, 127.0.0.1 becomes a candidate; and addresses are not hidden, because pages may use devices.
const SHOWING = ['--use-fake-ui-for-media-stream', '--allow-loopback-in-peer-connection'];

const FLAGS = [
  '--no-sandbox', // root has none
  '--disable-gpu', '--no-first-run', '--no-default-browser-check', '--disable-background-networking', '--disable-component-update',
  '--disable-sync', '--disable-quic', '--autoplay-policy=no-user-gesture-required',
  '--use-fake-device-for-media-stream=fps=30', ...SHOWING,
  // Several pages at once, and none of them is "in the background".
  '--disable-background-timer-throttling', '--disable-backgrounding-occluded-windows', '--disable-renderer-backgrounding',
];

/** A browser that ends with the case. `prefix` runs it elsewhere, for example in another network namespace; `hides`: its pages may use no
 *  device, so that it tells names of Multicast DNS instead of addresses. */
export async function launch(onEnd, { flags = [], prefix, hides = false } = {}) {
  const home = fs.mkdtempSync(path.join(os.tmpdir(), 'kaon-chromium-'));
  let executablePath = '/usr/bin/chromium';
  if (prefix) {
    executablePath = path.join(home, 'chromium');
    fs.writeFileSync(executablePath, `#!/bin/sh\nexec ${prefix} /usr/bin/chromium "$@"\n`, { mode: 0o755 });
  }
  const browser = await chromium.launch({ executablePath, headless: true, args: [...FLAGS.filter(flag => !hides || !SHOWING.includes(flag)), ...flags], chromiumSandbox: false, env: { ...process.env, HOME: home } });
  onEnd(async () => {
    await browser.close();
    fs.rmSync(home, { recursive: true, force: true });
  });
  return browser;
}

/** An empty page that may use WebRTC, without a server, of a browser of its own with these field trials. */
export async function emptyPage(onEnd, trials) {
  const page = await open(await launch(onEnd, { flags: trials ? [`--force-fieldtrials=${trials}`] : [] }), 'about:blank');
  await page.route('http://localhost/', route => route.fulfill({ contentType: 'text/html', body: '<!doctype html>' }));
  await page.goto('http://localhost/');
  return page;
}

/** What switches SPED and SNAP on. */
export const TRIALS = 'WebRTC-IceHandshakeDtls/Enabled/WebRTC-Sctp-Snap/Enabled/';

/** Runs attempts on an empty page, once more in a new browser if it crashes: with its trials Chromium has been seen to, once in some dozen
 *  calls on a busy machine. `crashes()` counts. */
export async function retryingPage(onEnd, trials) {
  let page = await emptyPage(onEnd, trials);
  let crashes = 0;
  const call = attempt => attempt(page).catch(async error => {
    if (!trials || crashes > 0 || !/crashed/.test(error.message)) throw error;
    crashes++;
    page = await emptyPage(onEnd, trials);
    return attempt(page);
  });
  return { call, crashes: () => crashes };
}

/** A page of the server in a context of its own; its uncaught errors go into `page.faults`. */
export async function open(browser, url, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  const page = await context.newPage();
  page.faults = [];
  page.on('pageerror', error => page.faults.push(String(error)));
  await page.goto(url);
  return page;
}
