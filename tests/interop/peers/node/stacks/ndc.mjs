// libdatachannel, by node-datachannel and its native interface.
import libdatachannel from 'node-datachannel';

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
  constructor(on) {
    this.pc = new libdatachannel.PeerConnection('peer', { iceServers: [], disableAutoNegotiation: true });
    this.pc.onLocalDescription((sdp, type) => on.description({ type, sdp }));
    // It gives whole attribute lines, "a=candidate:…".
    this.pc.onLocalCandidate((line, sdpMid) => on.candidate({ candidate: line.replace(/^a=/, ''), sdpMid }));
    this.pc.onGatheringStateChange((state) => state === 'complete' && on.candidate(null));
    this.pc.onStateChange((state) => on.state(state));
    this.pc.onDataChannel((channel) => {
      const wrapped = new Channel(channel);
      on.channel(wrapped);
      if (channel.isOpen()) wrapped.onOpen?.();
    });
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
    this.pc.setRemoteDescription(sdp, type);
    if (type === 'offer') this.pc.setLocalDescription('answer');
  }
  addCandidate({ candidate, sdpMid }) {
    this.pc.addRemoteCandidate(candidate, sdpMid ?? '0');
  }
  close() {
    this.pc.close();
  }
}
