// The Node side of ./bench: libwebrtc (@roamhq/wrtc) or libdatachannel (node-datachannel), many connections in one
// process, driven by words on stdin, told as JSON lines on stdout. The protocol is in benchmarks/README.md.
import net from 'node:net';
import readline from 'node:readline';

const [library, role, ...words] = process.argv.slice(2);
const options = { channels: 1, messageSize: 65536, frameSize: 10300 };
for (let i = 0; i < words.length; ++i) {
  const name = words[i].replace(/^--/, '').replace(/-(.)/g, (_, c) => c.toUpperCase());
  options[name] = name in { channels: 0, messageSize: 0, frameSize: 0 } ? Number(words[++i]) : true;
}
const offers = role === 'offer';
const kMostBuffered = 4 << 20;
const kMostPerTurn = 256 << 10;
const kFrameMs = 1000 / 30;
const traffic = { sent_bytes: 0, sent_units: 0, received_bytes: 0, received_units: 0, packets: 0 };
const links = new Map();
const state = { wanted: 0, begun: 0, parallel: 1, underWay: 0, stopped: false };

const tell = (value) => process.stdout.write(JSON.stringify(value) + '\n');
const signals = new net.Socket({ fd: 3 });
const signal = (kind, link, text = '', mid = '') => signals.write(JSON.stringify({ kind, link, text, mid }) + '\n');
const onReceived = (size) => {
  traffic.received_bytes += size;
  traffic.received_units += 1;
};

// -- libwebrtc -------------------------------------------------------------------------------------------------------

async function webrtcLibrary() {
  const { default: wrtc } = await import('@roamhq/wrtc');
  return {
    connect(index, owner) {
      const connection = new wrtc.RTCPeerConnection();
      connection.onicecandidate = ({ candidate }) => {
        if (candidate?.candidate) signal('candidate', index, candidate.candidate, candidate.sdpMid);
      };
      connection.onconnectionstatechange = () => {
        if (connection.connectionState === 'failed') tell({ event: 'failed', link: index, why: 'connection failed' });
      };
      connection.ondatachannel = ({ channel }) => {
        channel.binaryType = 'arraybuffer';
        channel.onmessage = ({ data }) => onReceived(data.byteLength);
        // The binding lets go of a channel that nothing refers to.
        (owner.remoteChannels ??= []).push(channel);
      };
      return connection;
    },
    addChannel(link, onOpen) {
      const channel = link.connection.createDataChannel('bench', { ordered: !options.unordered });
      channel.binaryType = 'arraybuffer';
      channel.onopen = onOpen;
      return {
        buffered: () => channel.bufferedAmount,
        send: (bytes) => channel.send(bytes),
        channel,
      };
    },
    async offer(link, index) {
      const offer = await link.connection.createOffer();
      await link.connection.setLocalDescription(offer);
      signal('offer', index, offer.sdp);
    },
    async onOffer(link, index, sdp) {
      await link.connection.setRemoteDescription({ type: 'offer', sdp });
      const answer = await link.connection.createAnswer();
      await link.connection.setLocalDescription(answer);
      signal('answer', index, answer.sdp);
    },
    onAnswer: (link, sdp) => link.connection.setRemoteDescription({ type: 'answer', sdp }),
    onCandidate: (link, text, mid) => link.connection.addIceCandidate({ candidate: text, sdpMid: mid }),
    close: (link) => link.connection.close(),
  };
}

// -- libdatachannel --------------------------------------------------------------------------------------------------

async function datachannelLibrary() {
  const { default: library } = await import('node-datachannel');
  const video = () => {
    const track = new library.Video('0', offers ? 'SendOnly' : 'RecvOnly');
    track.addH264Codec(96);
    if (offers) track.addSSRC(1234, 'bench', 'bench', 'bench');
    return track;
  };
  const watch = (track) => {
    track.onMessage((bytes) => {
      traffic.packets += 1;
      traffic.received_bytes += bytes.length - 12;
      if (bytes[1] & 0x80) traffic.received_units += 1;
    });
  };
  return {
    connect(index, owner) {
      const connection = new library.PeerConnection(`bench-${index}`, { iceServers: [], maxMessageSize: 1 << 20 });
      connection.onLocalDescription((sdp, type) => signal(type.toLowerCase(), index, sdp));
      connection.onLocalCandidate((candidate, mid) => signal('candidate', index, candidate, mid));
      connection.onStateChange((now) => {
        if (now === 'failed') tell({ event: 'failed', link: index, why: 'connection failed' });
        if (now === 'connected' && offers && options.video) opened(index);
      });
      connection.onDataChannel((channel) => {
        channel.onMessage((data) => onReceived(data.length));
        (owner.remoteChannels ??= []).push(channel);
      });
      connection.onTrack((track) => {
        owner.track = track;
        // Receiver reports; retransmission is not offered by this binding for what is received.
        track.setMediaHandler(new library.RtcpReceivingSession());
        watch(track);
      });
      return connection;
    },
    addVideo(link, index) {
      const track = link.connection.addTrack(video());
      const config = new library.RtpPacketizationConfig(1234, 'bench', 96, 90000);
      const packetizer = new library.H264RtpPacketizer('StartSequence', config, 1200 - 12 - 16);
      packetizer.addToChain(new library.RtcpSrReporter(config));
      packetizer.addToChain(new library.RtcpNackResponder());
      track.setMediaHandler(packetizer);
      link.track = track;
      link.config = config;
      link.index = index;
    },
    sendFrame(link) {
      link.config.timestamp = (link.config.timestamp + 3000) >>> 0;
      return link.track.sendMessageBinary(link.frame);
    },
    addChannel(link, onOpen) {
      const channel = link.connection.createDataChannel('bench', { unordered: Boolean(options.unordered) });
      channel.onOpen(onOpen);
      return {
        buffered: () => channel.bufferedAmount(),
        send: (bytes) => channel.sendMessageBinary(bytes),
        channel,
      };
    },
    // Offers and answers are made by the library itself.
    offer(link) {
      if (options.video) link.connection.setLocalDescription();
    },
    onOffer: (link, index, sdp) => link.connection.setRemoteDescription(sdp, 'Offer'),
    onAnswer: (link, sdp) => link.connection.setRemoteDescription(sdp, 'Answer'),
    // Refused while the library is still making its transport, on a thread of its own.
    onCandidate(link, text, mid, tries = 0) {
      try {
        link.connection.addRemoteCandidate(text, mid);
      } catch {
        if (tries < 50) setTimeout(() => this.onCandidate(link, text, mid, tries + 1), 1);
      }
    },
    close: (link) => link.connection.close(),
  };
}

const stack = await (library === 'libwebrtc' ? webrtcLibrary() : datachannelLibrary());

// -- connections -----------------------------------------------------------------------------------------------------

function link(index) {
  if (!links.has(index)) links.set(index, { channels: [], open: 0, waiting: [], described: false });
  return links.get(index);
}

function beginMore() {
  while (state.underWay < state.parallel && state.begun < state.wanted) {
    state.underWay += 1;
    begin(state.begun++);
  }
}

async function begin(index) {
  const created = link(index);
  created.began = process.hrtime.bigint();
  created.connection = stack.connect(index, created);
  if (options.video) {
    stack.addVideo(created, index);
  } else {
    for (let i = 0; i < options.channels; ++i) {
      created.channels.push(stack.addChannel(created, () => {
        if (++created.open === options.channels) opened(index);
      }));
    }
  }
  await stack.offer(created, index);
}

function opened(index) {
  const done = link(index);
  if (done.opened) return;
  done.opened = true;
  tell({ event: 'open', ms: Number(process.hrtime.bigint() - done.began) / 1e6 });
  if (options.close) {
    signal('close', index);
    setImmediate(() => close(index));
  }
  state.underWay -= 1;
  setImmediate(beginMore);
}

function close(index) {
  stack.close(link(index));
  links.delete(index);
}

async function onSignal({ kind, link: index, text, mid }) {
  if (kind === 'close') return close(index);
  const to = link(index);
  if (kind === 'candidate') {
    // What comes before the description has to wait for it.
    if (!to.described) return to.waiting.push([text, mid]);
    return stack.onCandidate(to, text, mid);
  }
  if (kind === 'offer') {
    to.connection = stack.connect(index, to);
    await stack.onOffer(to, index, text);
  } else {
    await stack.onAnswer(to, text);
  }
  to.described = true;
  for (const [candidate, itsMid] of to.waiting.splice(0)) stack.onCandidate(to, candidate, itsMid);
}

// -- load ------------------------------------------------------------------------------------------------------------

function pour(channel, message) {
  const most = kMostBuffered / options.channels;
  const more = () => {
    // @roamhq/wrtc brings bufferedAmount up to date between turns only, so a turn sends a bounded amount.
    for (let sent = 0; sent < kMostPerTurn && channel.buffered() < most; sent += message.length) {
      if (state.stopped) return;
      channel.send(message);
      traffic.sent_bytes += message.length;
      traffic.sent_units += 1;
    }
    // ... and its event of a buffer that has run low does not come.
    if (channel.buffered() < most) setImmediate(more);
    else setTimeout(more, 1);
  };
  more();
}

function sendVideo(sender, index, count) {
  sender.frame = Buffer.alloc(options.frameSize, 1 + (index % 255));
  sender.frame.set([0, 0, 0, 1, 0x65]);
  let next = performance.now() + (kFrameMs * index) / count;
  const tick = () => {
    if (state.stopped) return;
    if (stack.sendFrame(sender)) {
      traffic.sent_bytes += sender.frame.length;
      traffic.sent_units += 1;

    }
    next += kFrameMs;
    setTimeout(tick, Math.max(0, next - performance.now()));
  };
  setTimeout(tick, Math.max(0, next - performance.now()));
}

function send() {
  const message = Buffer.alloc(options.messageSize, 0x5a);
  const all = [...links.entries()];
  for (const [index, one] of all) {
    if (options.video) sendVideo(one, index, all.length);
    for (const channel of one.channels) pour(channel, message);
  }
}

function sample() {
  const usage = process.resourceUsage();
  tell({ event: 'sample', cpu_s: (usage.userCPUTime + usage.systemCPUTime) / 1e6, ...traffic });
}

const commands = {
  open(count, parallel) {
    state.wanted += Number(count);
    state.parallel = Number(parallel);
    beginMore();
  },
  send,
  stop: () => { state.stopped = true; },
  sample,
  quit: () => process.exit(0),
};

let order = Promise.resolve();
readline.createInterface({ input: signals }).on('line', (line) => {
  const message = JSON.parse(line);
  // One after the other, as they were said.
  order = order.then(() => onSignal(message)).catch((error) => tell({ event: 'failed', why: String(error) }));
});
readline.createInterface({ input: process.stdin }).on('line', (line) => {
  const [command, ...rest] = line.split(' ');
  commands[command]?.(...rest);
});
tell({ event: 'ready' });
