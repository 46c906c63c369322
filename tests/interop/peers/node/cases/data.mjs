// Case "data": one channel, every message comes back.
import { Endpoint } from '../endpoint.mjs';

const burstSize = 1000;

function makeMessage(number, size, binary) {
  const bytes = Buffer.from({ length: size }, (_, i) => (binary ? number + i : 97 + ((number + i) % 26)));
  return binary ? bytes : bytes.toString();
}

function plan(options) {
  const messages = [];
  for (const size of (options.sizes ?? '1,1000').split(',').map(Number)) {
    for (const binary of [false, true]) messages.push(makeMessage(messages.length, size, binary));
  }
  const oneByOne = messages.length;
  for (let i = 0; i < Number(options.burst ?? 0); ++i) messages.push(makeMessage(messages.length, burstSize, true));
  return { messages, oneByOne };
}

const same = (a, b) => (typeof a === 'string' || typeof b === 'string' ? a === b : a.equals(b));

class Offerer {
  constructor(context) {
    Object.assign(this, plan(context.options), { lines: context.lines, sent: 0, received: 0, bytes: 0, over: false });
    const { label = 'echo', protocol = '', ordered = '1', 'max-retransmits': maxRetransmits } = context.options;
    const init = { label, protocol, ordered: ordered !== '0' };
    if (maxRetransmits !== undefined) init.maxRetransmits = Number(maxRetransmits);
    if ('max-packet-life-time' in context.options) init.maxPacketLifeTime = Number(context.options['max-packet-life-time']);
    this.endpoint = new Endpoint(context);
    this.channel = this.endpoint.peer.openChannel(init);
    this.channel.onOpen = () => {
      this.lines.event('open');
      this.sendMore();
    };
    this.channel.onMessage = (data) => this.check(data);
    this.channel.onClose = () => this.over || this.lines.error('the channel was closed before the last message came back');
    this.endpoint.peer.offer();
  }

  sendMore() {
    if (this.sent === this.messages.length) return;
    do {
      this.channel.send(this.messages[this.sent++]);
    } while (this.sent > this.oneByOne && this.sent < this.messages.length);
  }

  check(data) {
    if (this.received === this.sent) return this.lines.error('a message came that was not sent');
    const expected = this.messages[this.received];
    if (!same(data, expected)) {
      const what = `message ${this.received} of ${expected.length} bytes came back as another of ${data.length}`;
      return this.lines.error(what);
    }
    ++this.received;
    this.bytes += data.length;
    if (this.received === this.messages.length) this.finish();
    else if (this.received === this.sent) this.sendMore();
  }

  finish() {
    this.over = true;
    this.lines.result({ messages: this.received, bytes: this.bytes });
    this.channel.close();
  }
}

class Answerer {
  constructor(context) {
    Object.assign(this, { lines: context.lines, messages: 0, bytes: 0 });
    this.endpoint = new Endpoint({ ...context, channel: (channel) => this.answer(channel) });
  }

  answer(channel) {
    channel.onOpen = () => this.lines.event('open');
    channel.onMessage = (data) => {
      ++this.messages;
      this.bytes += data.length;
      channel.send(data);
    };
    // Not all stacks still know them once the channel is closed.
    const { label, protocol, ordered, maxRetransmits } = channel;
    channel.onClose = () =>
      this.lines.result({ messages: this.messages, bytes: this.bytes, label, protocol, ordered, maxRetransmits });
  }
}

export function start(context) {
  const side = context.offerer ? new Offerer(context) : new Answerer(context);
  return { handle: (line) => side.endpoint.handle(line), close: () => side.endpoint.close() };
}
