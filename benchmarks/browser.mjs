// A browser's side of ./bench browser: `node browser.mjs chromium|firefox offer|answer [--message-size N]`, in the protocol of README.md, with
// the signalling of Kaon's side: one connection with one channel. CPU is that of the whole browser, without this driver.

import fs from 'node:fs';
import net from 'node:net';
import readline from 'node:readline';

const [name, role, ...words] = process.argv.slice(2);
const LINE_BREAK = '\x1f';
const TICKS_PER_SECOND = 100; // USER_HZ, the same on every Linux machine
const messageSize = Number(words[words.indexOf('--message-size') + 1] || 65536);

const tell = value => process.stdout.write(`${JSON.stringify(value)}\n`);
const signals = new net.Socket({ fd: 3 });
const signal = line => signals.write(`${line.replaceAll('\n', LINE_BREAK)}\n`);

/** Runs in the page. What it calls to the outside is `heard(kind, text)`. */
async function prepare({ messageSize, offers }) {
  // A page that may use a device tells its addresses.
  (await navigator.mediaDevices.getUserMedia({ audio: true })).getTracks().forEach(track => track.stop());
  const pc = new RTCPeerConnection();
  const state = globalThis.bench = { received: 0, messages: 0, sent: 0, stopped: false };
  pc.onicecandidate = ({ candidate }) => { if (candidate?.candidate) globalThis.heard('candidate', candidate.candidate); };
  pc.onconnectionstatechange = () => { if (pc.connectionState === 'failed') globalThis.heard('failed', 'connection failed'); };
  pc.ondatachannel = ({ channel }) => {
    channel.binaryType = 'arraybuffer';
    channel.onmessage = ({ data }) => {
      state.received += data.byteLength;
      state.messages += 1;
    };
    state.channel = channel;
  };
  const early = [];
  const describe = async description => {
    await pc.setRemoteDescription(description);
    for (const candidate of early.splice(0)) await pc.addIceCandidate({ candidate, sdpMLineIndex: 0 });
  };
  state.take = async (kind, text) => {
    if (kind === 'candidate') {
      if (!pc.remoteDescription) early.push(text);
      else await pc.addIceCandidate({ candidate: text, sdpMLineIndex: 0 });
      return;
    }
    await describe({ type: kind, sdp: text });
    if (kind !== 'offer') return;
    await pc.setLocalDescription();
    globalThis.heard('answer', pc.localDescription.sdp);
  };
  if (!offers) return;
  state.open = async () => {
    state.channel = pc.createDataChannel('bench');
    state.channel.onopen = () => globalThis.heard('open', '');
    await pc.setLocalDescription();
    globalThis.heard('offer', pc.localDescription.sdp);
  };
  state.send = () => {
    const message = new Uint8Array(messageSize).fill(0x5a);
    const most = 4 << 20;
    state.channel.bufferedAmountLowThreshold = most / 2;
    const pour = () => {
      while (!state.stopped && state.channel.bufferedAmount < most) {
        state.channel.send(message);
        state.sent += message.length;
      }
    };
    state.channel.onbufferedamountlow = pour;
    pour();
  };
}

/** User and system time of a process and of all that it has begun, in seconds. */
function cpuSeconds(root) {
  const processes = new Map();
  for (const entry of fs.readdirSync('/proc').filter(each => /^\d+$/.test(each))) {
    let stat;
    try {
      stat = fs.readFileSync(`/proc/${entry}/stat`, 'utf8');
    } catch {
      continue; // it has ended
    }
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    processes.set(Number(entry), { parent: Number(fields[1]), ticks: Number(fields[11]) + Number(fields[12]) });
  }
  let ticks = 0;
  for (const [id, { ticks: own }] of processes) {
    let at = id;
    while (at !== root && processes.has(at)) at = processes.get(at).parent;
    if (at === root) ticks += own;
  }
  return ticks / TICKS_PER_SECOND;
}

/** A page that may use devices, without a server behind it. */
async function openPage(browser, open) {
  if (name === 'chromium') {
    const page = await open(browser, 'about:blank');
    await page.route('http://localhost/', route => route.fulfill({ contentType: 'text/html', body: '<!doctype html>' }));
    await page.goto('http://localhost/');
    return page;
  }
  const { createServer } = await import('node:http');
  const server = createServer((_, response) => response.setHeader('Content-Type', 'text/html').end('<!doctype html>'));
  await new Promise(done => server.listen(0, '127.0.0.1', done));
  return open(browser, `http://localhost:${server.address().port}/`);
}

const cleanups = [];
async function end(status) {
  for (const cleanup of cleanups.reverse()) await cleanup().catch(() => {});
  process.exit(status);
}

async function begin() {
  const { launch, open } = await import(`../tests/browser/lib/${name}.mjs`);
  const before = new Set(fs.readdirSync('/proc'));
  const browser = await launch(cleanup => cleanups.push(cleanup));
  // The oldest of the processes that have come: the browser, whose children are the rest.
  const root = browser.process?.()?.pid ?? fs.readdirSync('/proc').filter(each => /^\d+$/.test(each) && !before.has(each)).map(Number)
    .filter(id => childOf(id, process.pid)).sort((a, b) => a - b)[0];
  const page = await openPage(browser, open);
  let began = 0;
  await page.exposeFunction('heard', (kind, text) => {
    if (kind === 'open') tell({ event: 'open', ms: performance.now() - began });
    else if (kind === 'failed') tell({ event: 'failed', why: text });
    else signal(`${kind} 0 ${text}`);
  });
  await page.evaluate(prepare, { messageSize, offers: role === 'offer' });
  let order = Promise.resolve();
  const inOrder = work => { order = order.then(work).catch(error => tell({ event: 'failed', why: String(error) })); };
  let rest = '';
  signals.setEncoding('utf8').on('data', text => {
    const lines = (rest + text).split('\n'); // not readline's, which would end a line at each carriage return too
    rest = lines.pop();
    for (const line of lines) {
      const [kind, , ...words] = line.split(' ');
      const text = words.join(' ').replaceAll(LINE_BREAK, '\n');
      inOrder(() => page.evaluate(([one, other]) => globalThis.bench.take(one, other), [kind, text]));
    }
  });
  const commands = {
    open: () => {
      began = performance.now();
      return page.evaluate(() => globalThis.bench.open());
    },
    send: () => page.evaluate(() => globalThis.bench.send()),
    stop: () => page.evaluate(() => { globalThis.bench.stopped = true; }),
    sample: async () => {
      const { received, messages, sent } = await page.evaluate(() => {
        const { received, messages, sent } = globalThis.bench;
        return { received, messages, sent };
      });
      tell({ event: 'sample', cpu_s: cpuSeconds(root), sent_bytes: sent, sent_units: sent / messageSize, received_bytes: received,
        received_units: messages, packets: 0 });
    },
    quit: () => end(0),
  };
  readline.createInterface({ input: process.stdin }).on('close', () => end(0))
    .on('line', line => inOrder(() => commands[line.split(' ')[0]]?.()));
  tell({ event: 'ready' });
}

function childOf(id, parent) {
  try {
    return fs.readFileSync(`/proc/${id}/status`, 'utf8').includes(`PPid:\t${parent}\n`);
  } catch {
    return false;
  }
}

begin().catch(error => {
  process.stderr.write(`${error.stack}\n`);
  return end(1);
});
