// The page: publishing, the list of live streams, players, chat, file test and graphs.

import { ConnectionCharts } from './chart.js';
import { roundTrip } from './file.js';
import { source } from './pattern.js';
import { Session } from './session.js';

const $ = id => document.getElementById(id);
const LIST_EVERY_MS = 1500;
const RETRY_AFTER_MS = 2000;

let published = null; // {session, stop, charts}
const watched = new Map(); // stream name -> {session, element, charts}

$('name').value = `stream-${Math.random().toString(36).slice(2, 6)}`;
const token = () => $('token').value || sessionStorage.getItem('token') || undefined;
$('token').addEventListener('change', () => sessionStorage.setItem('token', $('token').value));

// --- publishing -----------------------------------------------------------------------------------------------------

async function capture(kind) {
  if (kind === 'pattern') return source();
  if (!navigator.mediaDevices) {
    throw new Error('The browser gives no camera to a page without HTTPS. Open this page over https:// or on localhost.');
  }
  const stream = kind === 'camera'
    ? await navigator.mediaDevices.getUserMedia({ video: { width: 1280, height: 720 }, audio: true })
    : await navigator.mediaDevices.getDisplayMedia({ video: true, audio: true });
  return { stream, stop: () => stream.getTracks().forEach(track => track.stop()) };
}

async function startPublishing() {
  const kind = document.querySelector('input[name=source]:checked').value;
  const input = await capture(kind);
  try {
    const session = await Session.publish($('name').value, input.stream, { token: token(), codec: $('codec').value });
    published = { session, stop: input.stop, charts: showCharts(`Publishing ${session.name}`, session, true) };
    session.addEventListener('end', stopPublishing);
    input.stream.getVideoTracks()[0]?.addEventListener('ended', stopPublishing);
    useForData(session);
  } catch (error) {
    input.stop();
    throw error;
  }
  $('preview').srcObject = input.stream;
}

function stopPublishing() {
  if (!published) return;
  const { session, stop, charts } = published;
  published = null;
  session.close();
  charts.stop();
  stop();
  $('preview').srcObject = null;
  showPublishing();
}

function showPublishing() {
  $('publish').textContent = published ? 'Stop' : 'Start';
  $('publish').classList.toggle('live', Boolean(published));
  $('preview').hidden = !published;
  for (const input of document.querySelectorAll('#publish-form input, #publish-form select')) input.disabled = Boolean(published);
}

$('publish-form').addEventListener('submit', async event => {
  event.preventDefault();
  $('publish-error').textContent = '';
  if (published) return stopPublishing();
  $('publish').disabled = true;
  try {
    await startPublishing();
  } catch (error) {
    $('publish-error').textContent = error.message;
  }
  $('publish').disabled = false;
  showPublishing();
});

// --- watching -------------------------------------------------------------------------------------------------------

async function watch(name) {
  if (watched.has(name)) return;
  const element = Object.assign(document.createElement('article'), { className: 'player' });
  const video = Object.assign(document.createElement('video'), { autoplay: true, playsInline: true, muted: true, controls: true });
  const label = document.createElement('span');
  const stop = Object.assign(document.createElement('button'), { textContent: 'Close', onclick: () => unwatch(name) });
  const footer = document.createElement('footer');
  const badge = Object.assign(document.createElement('span'), { className: 'badge', textContent: name });
  footer.append(label, stop);
  element.append(video, badge, footer);
  element.dataset.stream = name;
  $('players').append(element);
  watched.set(name, { element });
  try {
    label.textContent = 'connecting';
    const session = await Session.watch(name, { token: token() });
    if (!watched.has(name)) return session.close();
    video.srcObject = session.stream;
    session.addEventListener('state', ({ detail }) => { label.textContent = detail; });
    session.addEventListener('end', () => unwatch(name));
    watched.set(name, { session, element, charts: showCharts(`Watching ${name}`, session, false) });
    useForData(session);
  } catch (error) {
    label.textContent = error.message;
    setTimeout(() => unwatch(name), RETRY_AFTER_MS);
  }
}

function unwatch(name) {
  const entry = watched.get(name);
  if (!entry) return;
  watched.delete(name);
  entry.charts?.stop();
  entry.session?.close();
  entry.element.remove();
}

// --- the list of streams --------------------------------------------------------------------------------------------

function streamItem({ name, seconds, viewers, video, width, height, kilobits }) {
  const item = document.createElement('li');
  const dot = Object.assign(document.createElement('span'), { className: 'dot' });
  const who = Object.assign(document.createElement('div'), { className: 'who' });
  const size = width ? `${width}×${height}` : '';
  const detail = [video, size, `${kilobits} kbit/s`, `${viewers} watching`, `${seconds} s`].filter(Boolean).join(' · ');
  who.append(Object.assign(document.createElement('b'), { textContent: name }), Object.assign(document.createElement('small'), { textContent: detail }));
  const button = Object.assign(document.createElement('button'), { textContent: watched.has(name) ? 'Watching' : 'Watch', disabled: watched.has(name), onclick: () => watch(name) });
  button.setAttribute('aria-label', `Watch ${name}`);
  item.append(dot, who, button);
  return item;
}

async function refresh() {
  try {
    const reply = await fetch('/api/streams', { headers: token() ? { Authorization: `Bearer ${token()}` } : {} });
    $('token-field').hidden = reply.ok && !token();
    if (!reply.ok) throw new Error(reply.status === 401 || reply.status === 403 ? 'this server wants an access token' : `the server answered ${reply.status}`);
    const { streams } = await reply.json();
    $('streams').replaceChildren(...streams.map(streamItem));
    $('no-streams').hidden = streams.length > 0;
    $('status').textContent = streams.length === 1 ? '1 stream live' : `${streams.length} streams live`;
    $('status').className = 'online';
  } catch (error) {
    $('status').textContent = error instanceof TypeError ? 'the server does not answer' : error.message;
    $('status').className = 'offline';
  }
  setTimeout(refresh, LIST_EVERY_MS);
}

// --- graphs ---------------------------------------------------------------------------------------------------------

function showCharts(title, session, sending) {
  const charts = new ConnectionCharts(title, session.pc, sending);
  $('graphs').append(charts.element);
  $('no-graphs').hidden = true;
  return { stop: () => { charts.stop(); $('no-graphs').hidden = $('graphs').childElementCount > 0; } };
}

// --- data channels --------------------------------------------------------------------------------------------------

let data = null; // the session whose channels the two panels use: the newest one

function useForData(session) {
  const ready = () => {
    data = session;
    enableData(true);
    session.chat.onmessage = event => addMessage(session.name, event.data, false);
  };
  if (session.chat.readyState === 'open') ready();
  else session.chat.addEventListener('open', ready);
  session.addEventListener('end', () => {
    if (data === session) {
      data = [...watched.values(), published].find(entry => entry?.session && entry.session !== session)?.session ?? null;
      enableData(Boolean(data));
    }
  });
}

function enableData(on) {
  for (const element of [$('chat-text'), $('chat-form').querySelector('button'), $('file')]) element.disabled = !on;
}

function addMessage(from, text, mine) {
  const item = document.createElement('li');
  item.classList.toggle('mine', mine);
  item.append(Object.assign(document.createElement('small'), { textContent: mine ? 'you' : from }), text);
  $('messages').append(item);
  item.scrollIntoView({ block: 'nearest' });
}

$('chat-form').addEventListener('submit', event => {
  event.preventDefault();
  const text = $('chat-text').value.trim();
  if (!text || !data) return;
  data.chat.send(text);
  addMessage('', text, true);
  $('chat-text').value = '';
});

async function testFile(file) {
  const result = $('file-result');
  $('file-progress').hidden = false;
  $('file').disabled = true;
  try {
    const done = await roundTrip(data.echo, file, part => { $('file-progress').value = part; });
    const rate = (done.bytes * 8) / done.seconds / 1e6;
    const verdict = done.sent === done.received ? 'checksums equal' : 'CHECKSUMS DIFFER';
    result.textContent = `${file.name}: ${done.bytes} bytes there and back in ${done.seconds.toFixed(1)} s, ${rate.toFixed(0)} Mbit/s each way, ${verdict}, SHA-256 ${done.received}`;
  } catch (error) {
    result.textContent = error.message;
  }
  $('file').disabled = !data;
  $('file').value = '';
}

$('file').addEventListener('change', () => $('file').files[0] && testFile($('file').files[0]));
$('drop').addEventListener('dragover', event => { event.preventDefault(); $('drop').classList.add('over'); });
$('drop').addEventListener('dragleave', () => $('drop').classList.remove('over'));
$('drop').addEventListener('drop', event => {
  event.preventDefault();
  $('drop').classList.remove('over');
  if (data && event.dataTransfer.files[0]) testFile(event.dataTransfer.files[0]);
});

addEventListener('beforeunload', () => {
  stopPublishing();
  [...watched.keys()].forEach(unwatch);
});
showPublishing();
refresh();
