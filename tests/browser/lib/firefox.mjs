// Debian's Firefox ESR, headless, over WebDriver BiDi through puppeteer-core.

import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import puppeteer from 'puppeteer-core';

const PREFERENCES = {
  'media.navigator.streams.fake': true,
  'media.navigator.permission.disabled': true,
  'media.peerconnection.ice.loopback': true,
  'media.peerconnection.ice.obfuscate_host_addresses': false,
  'media.autoplay.default': 0,
  'media.autoplay.blocking_policy': 0,
  'network.captive-portal-service.enabled': false,
  'network.connectivity-service.enabled': false,
  'app.update.enabled': false,
  'datareporting.policy.dataSubmissionEnabled': false,
  'toolkit.telemetry.enabled': false,
  'browser.safebrowsing.downloads.remote.enabled': false,
  'extensions.getAddons.cache.enabled': false,
  'privacy.reduceTimerPrecision': false,
  'media.gmp-manager.updateEnabled': false,
};

export async function launch(onEnd, preferences = {}) {
  const home = fs.mkdtempSync(path.join(os.tmpdir(), 'kaon-firefox-'));
  const browser = await puppeteer.launch({
    browser: 'firefox', protocol: 'webDriverBiDi', executablePath: '/usr/bin/firefox-esr', headless: true,
    extraPrefsFirefox: { ...PREFERENCES, ...preferences },
    env: { ...process.env, HOME: home, MOZ_DISABLE_CONTENT_SANDBOX: '1', MOZ_CRASHREPORTER_DISABLE: '1' },
  });
  onEnd(async () => {
    await browser.close();
    fs.rmSync(home, { recursive: true, force: true });
  });
  return browser;
}

export async function open(browser, url) {
  const page = await browser.newPage();
  await page.goto(url);
  return page;
}
