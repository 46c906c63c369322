// Small line charts on a canvas: one value a second, two minutes wide.

const POINTS = 120;

export class Chart {
  constructor(title, unit, colour) {
    this.values = [];
    this.unit = unit;
    this.colour = colour;
    this.element = document.createElement('figure');
    const caption = document.createElement('figcaption');
    this.value = document.createElement('b');
    this.canvas = Object.assign(document.createElement('canvas'), { className: 'chart' });
    this.canvas.setAttribute('role', 'img');
    this.canvas.setAttribute('aria-label', title);
    caption.append(title, this.value);
    this.element.append(caption, this.canvas);
  }

  add(value) {
    this.values.push(Number.isFinite(value) ? value : null);
    if (this.values.length > POINTS) this.values.shift();
    this.value.textContent = Number.isFinite(value) ? `${format(value)} ${this.unit}` : '–';
    this.#draw();
  }

  #draw() {
    const scale = devicePixelRatio;
    const width = this.canvas.clientWidth * scale;
    const height = this.canvas.clientHeight * scale;
    if (!width) return;
    Object.assign(this.canvas, { width, height });
    const context = this.canvas.getContext('2d');
    const top = Math.max(1e-9, ...this.values.filter(v => v !== null)) * 1.15;
    const x = i => width - ((this.values.length - 1 - i) * width) / (POINTS - 1);
    const y = v => height - 2 * scale - (v / top) * (height - 6 * scale);
    context.beginPath();
    this.values.forEach((v, i) => v !== null && context.lineTo(x(i), y(v)));
    context.strokeStyle = this.colour;
    context.lineWidth = 1.6 * scale;
    context.lineJoin = 'round';
    context.stroke();
    context.lineTo(width, height);
    context.lineTo(x(0), height);
    context.globalAlpha = 0.15;
    context.fillStyle = this.colour;
    context.fill();
  }
}

const format = value => (value >= 100 ? Math.round(value) : value >= 10 ? value.toFixed(1) : value.toFixed(2)).toString();

/** Charts of one peer connection, fed from getStats() once a second. */
export class ConnectionCharts {
  constructor(title, pc, sending) {
    this.pc = pc;
    this.sending = sending;
    this.charts = {
      bitrate: new Chart('Bitrate', 'kbit/s', '#7c6cf6'), loss: new Chart('Packet loss', '%', '#ff6b7d'),
      rtt: new Chart('Round trip', 'ms', '#4fd1e5'), jitter: new Chart('Jitter', 'ms', '#f5b35c'), fps: new Chart('Frames', '/s', '#3ddc97'),
    };
    this.element = Object.assign(document.createElement('div'), { className: 'connection' });
    const heading = document.createElement('h3');
    this.detail = document.createElement('small');
    heading.append(title, this.detail);
    const grid = Object.assign(document.createElement('div'), { className: 'charts' });
    grid.append(...Object.values(this.charts).map(chart => chart.element));
    this.element.append(heading, grid);
    this.timer = setInterval(() => this.sample().catch(() => {}), 1000);
  }

  async sample() {
    const now = totals([...(await this.pc.getStats()).values()], this.sending);
    const before = this.before ?? now;
    this.before = now;
    const seconds = (now.at - before.at) / 1000;
    const per = key => (seconds > 0 ? (now[key] - before[key]) / seconds : NaN);
    const packets = now.packets - before.packets;
    const lost = now.lost - before.lost;
    this.charts.bitrate.add((per('bytes') * 8) / 1000);
    this.charts.loss.add(packets + lost > 0 ? Math.max(0, (100 * lost) / (packets + lost)) : NaN);
    this.charts.rtt.add(now.rtt * 1000);
    this.charts.jitter.add(now.jitter * 1000);
    this.charts.fps.add(per('frames'));
    this.detail.textContent = [now.codec, now.size, now.security].filter(Boolean).join(' · ');
  }

  stop() {
    clearInterval(this.timer);
    this.element.remove();
  }
}

function totals(stats, sending) {
  const byId = Object.fromEntries(stats.map(s => [s.id, s]));
  const of = type => stats.filter(s => s.type === type);
  const flows = of(sending ? 'outbound-rtp' : 'inbound-rtp');
  const remote = of('remote-inbound-rtp');
  const sum = (list, key) => list.reduce((total, s) => total + (s[key] ?? 0), 0);
  const video = flows.find(s => s.kind === 'video');
  const transport = of('transport')[0];
  const pair = byId[transport?.selectedCandidatePairId] ?? of('candidate-pair').find(s => s.nominated);
  const [measured] = (sending ? remote : flows).filter(s => s.kind === 'video');
  return {
    at: (video ?? transport ?? stats[0])?.timestamp ?? 0,
    bytes: sum(flows, sending ? 'bytesSent' : 'bytesReceived'),
    packets: sum(flows, sending ? 'packetsSent' : 'packetsReceived'),
    lost: sum(sending ? remote : flows, 'packetsLost'),
    frames: (sending ? video?.framesSent : video?.framesDecoded) ?? 0,
    rtt: pair?.currentRoundTripTime ?? NaN,
    jitter: measured?.jitter ?? NaN,
    codec: byId[video?.codecId]?.mimeType?.replace('video/', ''),
    size: video?.frameWidth ? `${video.frameWidth}×${video.frameHeight}` : '',
    security: transport?.srtpCipher ?? '',
  };
}
