// Runs the browser cases: `node run.mjs [--full] [CASE...]`. One line per case, "ok|fail|skip<TAB>name<TAB>detail". The environment variable
// KAON names the program under test, KAON_PASSED lists cases to leave out. As root everything runs in a network namespace of its own, because
// browsers call home at start.

import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const here = path.dirname(fileURLToPath(import.meta.url));
const INSIDE = 'KAON_TEST_NAMESPACE';

const installed = path.join(here, 'node_modules/.package-lock.json');
if (!fs.existsSync(installed) || fs.statSync(installed).mtimeMs < fs.statSync(path.join(here, 'package-lock.json')).mtimeMs) {
  console.log('installing the browser drivers');
  const done = spawnSync('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--prefix', here], { encoding: 'utf8' });
  if (done.status !== 0) throw new Error(`npm: ${done.stdout}${done.stderr}`);
}

if (process.getuid() === 0 && !process.env[INSIDE]) {
  const self = ['bash', '-c', 'ip link set lo up && ip route add default dev lo src 127.0.0.1; exec "$@"', '-', process.execPath, ...process.argv.slice(1)];
  const done = spawnSync('unshare', ['--net', '--mount', '--', ...self], { stdio: 'inherit', env: { ...process.env, [INSIDE]: '1' } });
  process.exit(done.status ?? 2);
}

const full = process.argv.includes('--full');
const wanted = process.argv.slice(2).filter(name => !name.startsWith('--'));
const passed = (process.env.KAON_PASSED ?? '').split('\n');
const line = (...parts) => process.stdout.write(`${parts.map(p => String(p).replace(/\t/g, ' ')).join('\t').replace(/\n/g, ' | ')}\n`);
const within = (promise, seconds) => Promise.race([promise, new Promise((_, fail) => {
  setTimeout(() => fail(new Error(`no end after ${seconds} s`)), seconds * 1000).unref();
})]);

let failed = 0;
for (const file of fs.readdirSync(path.join(here, 'cases')).sort()) {
  const name = path.basename(file, '.mjs').replace(/^\d+-/, '');
  if (passed.includes(name) || (wanted.length > 0 && !wanted.includes(name))) continue;
  const { default: run, seconds = 180, needs } = await import(pathToFileURL(path.join(here, 'cases', file)).href);
  const missing = needs?.();
  if (missing) {
    line('skip', name, missing);
    continue;
  }
  const cleanups = [];
  try {
    const detail = await within(run({ full, onEnd: cleanup => cleanups.push(cleanup) }), full ? seconds * 10 : seconds);
    line('ok', name, detail ?? '');
  } catch (error) {
    failed++;
    line('fail', name, error.stack ?? error);
  }
  for (const cleanup of cleanups.reverse()) await within(Promise.resolve().then(cleanup), 20).catch(() => {});
}
process.exit(failed ? 1 : 0);
