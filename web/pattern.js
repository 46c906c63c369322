// A moving test picture that a script can read back after lossy coding: two bands of 48 black or white cells hold the frame
// number and the sender's clock (0.1 ms), 32 bits each with a 16-bit check; coloured bars move below.

const CELLS = 48;

function check(value) {
  const mixed = 0xbeef ^ (value & 0xffff) ^ (value >>> 16);
  return (mixed * 31 + (value % 65521)) & 0xffff;
}

export const clock = () => Math.round((performance.timeOrigin + performance.now()) * 10) >>> 0;

function cells(value) {
  const bits = [];
  for (let i = 31; i >= 0; i--) bits.push((value >>> i) & 1);
  for (let sum = check(value), i = 15; i >= 0; i--) bits.push((sum >>> i) & 1);
  return bits;
}

function number(bits) {
  let value = 0;
  let sum = 0;
  for (let i = 0; i < 32; i++) value = ((value << 1) | bits[i]) >>> 0;
  for (let i = 32; i < CELLS; i++) sum = (sum << 1) | bits[i];
  return check(value) === sum ? value : null;
}

export function draw(context, width, height, frame) {
  const band = Math.max(8, Math.round(height / 12));
  const cell = width / CELLS;
  [frame >>> 0, clock()].forEach((value, row) => cells(value).forEach((bit, i) => {
    context.fillStyle = bit ? '#fff' : '#000';
    context.fillRect(Math.round(i * cell), row * band, Math.ceil(cell) + 1, band);
  }));
  const top = 2 * band;
  const picture = context.createLinearGradient(0, top, width, height);
  picture.addColorStop(0, `hsl(${(frame * 0.7) % 360} 65% 38%)`);
  picture.addColorStop(1, `hsl(${(frame * 0.7 + 80) % 360} 65% 22%)`);
  context.fillStyle = picture;
  context.fillRect(0, top, width, height - top);
  context.fillStyle = '#ffffff30';
  for (let i = 0; i < 8; i++) context.fillRect((frame * 4 + (i * width) / 8) % width, top, width / 30, height - top);
  const size = height / 7;
  const t = frame * 6;
  context.fillStyle = '#fff';
  context.beginPath();
  context.arc(size / 2 + Math.abs((t % (2 * (width - size))) - (width - size)),
    top + size / 2 + Math.abs((t % (2 * (height - top - size))) - (height - top - size)), size / 2, 0, 7);
  context.fill();
  context.font = `600 ${Math.round(height / 10)}px system-ui, sans-serif`;
  context.fillText(String(frame), 16, height - 18);
}

/** {frame, sent}: what the bands of a picture say; null where a band cannot be read. `luma(x, y)` is the brightness, 0 to 255. */
export function decode(luma, width, height) {
  const [frame, sent] = [0, 1].map(row => {
    const y = Math.floor(((row + 0.5) * height) / 12);
    return number(Array.from({ length: CELLS }, (_, i) => (luma(Math.floor(((i + 0.5) * width) / CELLS), y) > 128 ? 1 : 0)));
  });
  return { frame, sent };
}

/** The same for a picture on a canvas. */
export function read(context, width, height) {
  const { data } = context.getImageData(0, 0, width, Math.ceil(height / 6));
  return decode((x, y) => data[(y * width + x) * 4 + 1], width, height);
}

/** A quiet tone: {track, stop()}. */
export function tone() {
  const audio = new AudioContext();
  const oscillator = new OscillatorNode(audio, { frequency: 220 });
  const volume = new GainNode(audio, { gain: 0.05 });
  const out = audio.createMediaStreamDestination();
  oscillator.connect(volume).connect(out);
  oscillator.start();
  return { track: out.stream.getAudioTracks()[0], stop: () => audio.close() };
}

/** A stream of the test picture with a quiet tone: {stream, stop()}. */
export function source(width = 1280, height = 720, rate = 30) {
  const canvas = Object.assign(document.createElement('canvas'), { width, height });
  const context = canvas.getContext('2d', { alpha: false });
  const stream = canvas.captureStream(0);
  const [track] = stream.getVideoTracks();
  const step = 1000 / rate;
  let frame = 0;
  let next = performance.now();
  draw(context, width, height, frame);
  // A worker's timer, because browsers slow down the timers of a page in the background.
  const ticker = new Worker(URL.createObjectURL(new Blob([`setInterval(() => postMessage(0), ${step / 4})`])));
  ticker.onmessage = () => {
    if (performance.now() < next) return;
    next = Math.max(next + step, performance.now() - step);
    draw(context, width, height, ++frame);
    (track.requestFrame ? track : stream).requestFrame(); // on the track in Chromium, on the stream in Firefox
  };
  const sound = tone();
  stream.addTrack(sound.track);
  const stop = () => {
    ticker.terminate();
    sound.stop();
    stream.getTracks().forEach(t => t.stop());
  };
  return { stream, stop };
}
