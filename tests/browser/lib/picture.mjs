// Publishing and watching the machine-readable test picture, and the rule every viewer must pass. The functions that take a page run in it.

/** Publishes the test picture from a page of the server; the session stays in window.publisher. */
export function publish(page, { name, codec, width = 640, height = 360, audio = true }) {
  return page.evaluate(async options => {
    const { source, draw, tone } = await import('/pattern.js');
    const { Session } = await import('/session.js');
    let stream;
    if (globalThis.MediaStreamTrackGenerator) { // Chromium: no compositor that merges frames on the sending side
      const canvas = new OffscreenCanvas(options.width, options.height);
      const context = canvas.getContext('2d', { alpha: false, willReadFrequently: true });
      const track = new MediaStreamTrackGenerator({ kind: 'video' });
      const writer = track.writable.getWriter();
      let frame = 0;
      let next = performance.now();
      setInterval(() => {
        if (performance.now() < next) return;
        next = Math.max(next + 1000 / 30, performance.now() - 1000 / 30);
        draw(context, options.width, options.height, ++frame);
        writer.write(new VideoFrame(canvas, { timestamp: Math.round(performance.now() * 1000) })).catch(() => {});
      }, 8);
      stream = new MediaStream([track, tone().track]);
    } else {
      stream = source(options.width, options.height, 30).stream;
    }
    if (!options.audio) stream.getAudioTracks().forEach(t => stream.removeTrack(t));
    globalThis.publisher = await Session.publish(options.name, stream, { codec: options.codec, token: options.token });
  }, { name, codec, width, height, audio });
}

/** Watches a stream; what was seen gathers in window.seen. Every decoded frame counts, also those the screen would have skipped. */
export function watch(page, name) {
  return page.evaluate(async stream => {
    const { Session } = await import('/session.js');
    const { clock, decode } = await import('/pattern.js');
    const session = await Session.watch(stream);
    globalThis.viewer = session;
    const seen = { frames: [], damaged: 0 };
    globalThis.seen = seen;
    const audio = document.createElement('audio');
    Object.assign(audio, { srcObject: session.stream, autoplay: true });
    const track = await new Promise(found => {
      const look = () => {
        const [video] = session.stream.getVideoTracks();
        if (video) found(video);
        else setTimeout(look, 10);
      };
      look();
    });
    const reader = new MediaStreamTrackProcessor({ track }).readable.getReader();
    let memory = new Uint8Array(0);
    (async () => {
      for (;;) {
        const { value, done } = await reader.read();
        if (done) return;
        const at = clock();
        // Only the bands, and of those the brightness alone: looking must not slow down what is looked at.
        const { codedWidth: width, codedHeight: height } = value;
        const rect = { x: 0, y: 0, width, height: 2 * Math.ceil(height / 12) };
        const size = value.allocationSize({ rect });
        if (memory.length < size) memory = new Uint8Array(size);
        const [{ offset, stride }] = await value.copyTo(memory, { rect });
        value.close();
        const { frame, sent } = decode((x, y) => memory[offset + y * stride + x], width, height);
        if (frame === null || sent === null) seen.damaged++;
        else seen.frames.push({ frame, delay: (at - sent) / 10, at: performance.now() });
      }
    })();
  }, name);
}

/** Lets `seconds` pass and gives back what was seen in them. */
export async function observe(page, seconds) {
  await page.evaluate(() => { globalThis.seen.frames.length = 0; globalThis.seen.damaged = 0; });
  await new Promise(done => setTimeout(done, seconds * 1000));
  return page.evaluate(() => structuredClone(globalThis.seen));
}

const median = values => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];

/** The rule: in every whole second at least 24 new frame numbers, no gap over 500 ms. Returns a line of figures or throws. */
export function judge({ frames, damaged }, seconds) {
  if (frames.length < 2) throw new Error(`only ${frames.length} readable frames in ${seconds} s (${damaged} damaged)`);
  const start = frames[0].at;
  const whole = Math.floor((frames.at(-1).at - start) / 1000);
  const perSecond = Array.from({ length: whole }, () => new Set());
  let longest = 0;
  frames.forEach(({ frame, at }, i) => {
    perSecond[Math.floor((at - start) / 1000)]?.add(frame);
    if (i > 0) longest = Math.max(longest, at - frames[i - 1].at);
  });
  const fewest = Math.min(...perSecond.map(numbers => numbers.size));
  const delays = frames.map(f => f.delay).filter(delay => delay !== undefined);
  const summary = `${whole} s, at least ${fewest} new frames a second, longest gap ${longest.toFixed(0)} ms, `
    + `${delays.length ? `median delay ${median(delays).toFixed(1)} ms, ` : ''}${damaged} damaged`;
  if (whole < seconds - 2 || fewest < 24 || longest > 500) throw new Error(summary);
  return summary;
}

/** Watches for `seconds` once the stream has settled: the picture passes the rule and the sound is there. */
export async function seeAndHear(page, seconds) {
  await page.waitForFunction(() => globalThis.seen.frames.length > 120, null, { timeout: 30000 });
  const figures = judge(await observe(page, seconds), seconds);
  if (!(await audioEnergy(page) > 0)) throw new Error(`${figures}, but the sound is silent`);
  return figures;
}

/** Sound that arrives and is not silence. */
function audioEnergy(page) {
  return page.evaluate(async () => {
    const stats = [...(await globalThis.viewer.pc.getStats()).values()];
    return stats.find(s => s.type === 'inbound-rtp' && s.kind === 'audio')?.totalAudioEnergy ?? 0;
  });
}
