// libdatachannel, by node-datachannel and its native interface.
import libdatachannel from 'node-datachannel';
import { RtpMedia } from '../rtp.mjs';

const ssrc = 0x4b616f6e;

function payloadTypeOf(sdp, codec) {
  const lines = sdp.split(/\r?\n/);
  const numbers = lines.map((line) => line.match(new RegExp(`^a=rtpmap:(\\d+) ${codec}/`, 'i'))?.[1]).filter(Boolean);
  if (numbers.length === 0) throw new Error(`the offer has no ${codec}`);
  const fits = (number) => codec !== 'H264' || lines.some((line) => line.startsWith(`a=fmtp:${number} `) && /packetization-mode=1/.test(line));
  return Number(numbers.find(fits));
}

class Channel {
  constructor(channel, init = null) {
    this.channel = channel;
    // The interface tells of a remote channel no more than its label and protocol.
    this.ordered = init?.ordered;
    this.maxRetransmits = init?.maxRetransmits;
    channel.onOpen(() => this.onOpen?.());
    channel.onClosed(() => this.onClose?.());
    channel.onMessage((data) => this.onMessage?.(typeof data === 'string' ? data : Buffer.from(data)));
  }
  get label() {
    return this.channel.getLabel();
  }
  get protocol() {
    return this.channel.getProtocol();
  }
  send(data) {
    if (typeof data === 'string') this.channel.sendMessage(data);
    else this.channel.sendMessageBinary(data);
  }
  close() {
    this.channel.close();
  }
}

export class Peer {
  constructor(on, samples) {
    this.samples = samples;
    this.pc = new libdatachannel.PeerConnection('peer', { iceServers: [], disableAutoNegotiation: true });
    this.pc.onLocalDescription((sdp, type) => on.description({ type, sdp }));
    // An offerer's candidates wait for the answer. The stack stores the answer's fingerprint after it has started ICE
    // with it, so that checks that come early can finish DTLS first, which then fails (stacks.py, `around`).
    this.held = [];
    this.on = on;
    // It gives whole attribute lines, "a=candidate:…".
    this.pc.onLocalCandidate((line, sdpMid) => this.tell({ candidate: line.replace(/^a=/, ''), sdpMid }));
    this.pc.onGatheringStateChange((state) => state === 'complete' && this.tell(null));
    this.pc.onStateChange((state) => on.state(state));
    this.pc.onDataChannel((channel) => {
      const wrapped = new Channel(channel);
      on.channel(wrapped);
      if (channel.isOpen()) wrapped.onOpen?.();
    });
  }
  tell(candidate) {
    if (this.held) this.held.push(candidate);
    else this.on.candidate(candidate);
  }
  openChannel({ label, protocol, ordered, maxRetransmits }) {
    const config = { protocol, unordered: !ordered };
    if (maxRetransmits !== undefined) config.maxRetransmits = maxRetransmits;
    return new Channel(this.pc.createDataChannel(label, config), { ordered, maxRetransmits });
  }
  offer() {
    this.pc.setLocalDescription('offer');
  }
  remoteDescription({ type, sdp }) {
    if (type === 'offer' && this.openTrack) this.openTrack(payloadTypeOf(sdp, this.samples.codec));
    this.pc.setRemoteDescription(sdp, type);
    if (type === 'offer') this.pc.setLocalDescription('answer');
    for (const candidate of this.held.splice(0)) this.on.candidate(candidate);
    this.held = null;
  }
  addCandidate({ candidate, sdpMid }) {
    this.pc.addRemoteCandidate(candidate, sdpMid ?? '0');
  }
  openMedia({ send, receive, offerer, received }) {
    const direction = send && receive ? 'SendRecv' : send ? 'SendOnly' : 'RecvOnly';
    const media = new RtpMedia(this.samples, { ssrc, sendPacket: (packet) => this.track.sendMessageBinary(packet), received });
    // An answerer's section is the offer's by its mid, "0", with the number that the offer gave the codec.
    this.openTrack = (payloadType) => {
      this.samples.payloadType = payloadType;
      this.track = this.pc.addTrack(this.section(direction, send));
      this.track.setMediaHandler(new libdatachannel.RtcpReceivingSession());
      this.track.onMessage((packet) => media.receivePacket(packet));
    };
    if (offerer) this.openTrack(this.samples.payloadType);
    return media;
  }
  section(direction, send) {
    const { kind, codec, payloadType, fmtp } = this.samples;
    const section = kind === 'audio' ? new libdatachannel.Audio('0', direction) : new libdatachannel.Video('0', direction);
    if (codec === 'opus') section.addOpusCodec(payloadType, fmtp);
    if (codec === 'VP8') section.addVP8Codec(payloadType);
    if (codec === 'H264') section.addH264Codec(payloadType, fmtp);
    if (send) section.addSSRC(ssrc, 'kaon-interop', 'stream', 'track');
    return section;
  }
  close() {
    this.pc.close();
  }
}
