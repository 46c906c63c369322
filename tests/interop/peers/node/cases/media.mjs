// Case "media": the same frames over and over, one way or both.
import { Endpoint } from '../endpoint.mjs';
import { Samples } from '../samples.mjs';

class Media {
  constructor({ lines, options, offerer, stack }) {
    this.lines = lines;
    this.samples = new Samples(options.media);
    this.send = options.send !== '0';
    this.receive = options.receive !== '0';
    this.wanted = Number(options.frames ?? 45);
    this.sent = 0;
    this.marks = [];
    this.endpoint = new Endpoint({ stack, lines, samples: this.samples, connected: () => this.connected() });
    const { send, receive } = this;
    this.media = this.endpoint.peer.openMedia({ send, receive, offerer, received: (mark) => this.add(mark) });
    if (offerer) this.endpoint.peer.offer();
  }

  connected() {
    if (!this.send) return;
    const start = performance.now();
    this.timer = setInterval(() => {
      while (performance.now() - start >= this.sent * this.samples.milliseconds) this.media.sendFrame(this.sent++);
    }, this.samples.milliseconds / 2);
    if (!this.receive) this.tell();
  }

  add(mark) {
    if (this.marks.length === this.wanted) return;
    this.marks.push(mark);
    if (this.marks.length === this.wanted) this.tell();
  }

  tell() {
    this.lines.result({ sent: this.sent, received: this.marks, ...this.media.summary() });
  }

  close() {
    clearInterval(this.timer);
    this.endpoint.close();
  }
}

export function start(context) {
  const media = new Media(context);
  return { handle: (line) => media.endpoint.handle(line), close: () => media.close() };
}
