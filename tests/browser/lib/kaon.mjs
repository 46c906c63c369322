// The program under test as a child process.

import { spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';

export const program = process.env.KAON ?? 'build/release/apps/kaon/kaon';

/** A folder that is removed when the case ends. */
export function folder(onEnd) {
  const made = fs.mkdtempSync(path.join(os.tmpdir(), 'kaon-'));
  onEnd(() => fs.rmSync(made, { recursive: true, force: true }));
  return made;
}

/** Starts `kaon ...args`; ends it with the case. {process, output(), ended: Promise of the exit status}. */
export function start(onEnd, args, options = {}) {
  const [file, ...rest] = [...(options.prefix ?? []), program, ...args];
  const child = spawn(file, rest, { stdio: ['ignore', 'pipe', 'pipe'], ...options });
  let text = '';
  child.stdout.on('data', bytes => { text += bytes; });
  child.stderr.on('data', bytes => { text += bytes; });
  const ended = new Promise(done => child.on('exit', (code, signal) => done(code ?? signal)));
  onEnd(async () => {
    child.kill('SIGTERM');
    const late = setTimeout(() => child.kill('SIGKILL'), 5000);
    await ended;
    clearTimeout(late);
  });
  return { process: child, output: () => text, ended };
}

export async function until(condition, what, seconds = 20, every = 50) {
  const end = Date.now() + seconds * 1000;
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (Date.now() > end) throw new Error(`${what}: not within ${seconds} s`);
    await new Promise(done => setTimeout(done, every));
  }
}

/** `kaon serve` on free ports; resolves to {url, ...} when it answers. */
export async function serve(onEnd, args = [], options = {}) {
  const port = args.includes('--udp') ? [] : ['--udp', '0'];
  const server = start(onEnd, ['serve', '--http', '127.0.0.1:0', ...port, ...args], options);
  let over = null;
  server.ended.then(code => { over = code; });
  const found = await until(() => {
    if (over !== null) throw new Error(`kaon serve ended with ${over}: ${server.output()}`);
    return server.output().match(/http:\/\/[^\s/]+\//);
  }, 'the address of kaon serve');
  return Object.assign(server, { url: found[0].replace('127.0.0.1', 'localhost') });
}

/** Kaon's peer of the interoperability tests (tests/interop/peers), here in the hands of a case: {say(object), lines: [object]}. */
export function startPeer(onEnd, args, env = {}) {
  const file = path.join(path.dirname(program), '../../tests/interop/peers/kaon/interop_kaon');
  const child = spawn(file, args, { stdio: ['pipe', 'pipe', 'inherit'], env: { ...process.env, ...env } });
  const ended = new Promise(done => child.on('exit', done));
  const lines = [];
  let rest = '';
  child.stdout.on('data', bytes => {
    const parts = (rest + bytes).split('\n');
    rest = parts.pop();
    lines.push(...parts.filter(Boolean).map(part => JSON.parse(part)));
  });
  onEnd(async () => {
    child.stdin.end();
    await ended;
  });
  return { say: object => child.stdin.write(`${JSON.stringify(object)}\n`), lines };
}

/** A line of what the server itself added to the delay of all packets so far, or throws. */
export async function checkAddedDelay(server) {
  const { forward_delay_ms_median: delay } = await (await fetch(`${server.url}api/status`)).json();
  if (!(delay > 0 && delay < 5)) throw new Error(`the server adds ${delay} ms in the median`);
  return `added by the server: ${delay} ms`;
}

/** Resident memory of a process in KiB. */
export function memory(pid) {
  return Number(fs.readFileSync(`/proc/${pid}/status`, 'utf8').match(/VmRSS:\s+(\d+)/)[1]);
}
