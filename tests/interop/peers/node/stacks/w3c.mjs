// What the stacks with the browser's API have in common.

export class W3cChannel {
  constructor(channel) {
    this.channel = channel;
    channel.binaryType = 'arraybuffer';
    this.early = []; // to be sent by an answerer that gets a message before it is told that the channel is open
    channel.onopen = () => {
      for (const data of this.early.splice(0)) channel.send(data);
      this.onOpen?.();
    };
    channel.onclose = () => this.onClose?.();
    channel.onmessage = ({ data }) => this.onMessage?.(typeof data === 'string' ? data : Buffer.from(data));
  }
  get label() {
    return this.channel.label;
  }
  get protocol() {
    return this.channel.protocol;
  }
  get ordered() {
    return this.channel.ordered;
  }
  get maxRetransmits() {
    return this.channel.maxRetransmits ?? null;
  }
  send(data) {
    if (this.channel.readyState === 'connecting') this.early.push(data);
    else this.channel.send(data);
  }
  close() {
    this.channel.close();
  }
}

export class W3cPeer {
  constructor(pc, on, Channel = W3cChannel) {
    this.pc = pc;
    this.Channel = Channel;
    this.on = on;
    pc.onicecandidate = ({ candidate }) => on.candidate(candidate?.candidate ? plain(candidate) : null);
    pc.onconnectionstatechange = () => on.state(pc.connectionState);
    pc.ondatachannel = ({ channel }) => this.remoteChannel(channel);
  }
  remoteChannel(channel) {
    const wrapped = new this.Channel(channel);
    this.on.channel(wrapped);
    // The stack may have opened it before anybody could ask to be told.
    if (channel.readyState === 'open') wrapped.onOpen?.();
  }
  openChannel({ label, ...init }) {
    return new this.Channel(this.pc.createDataChannel(label, init));
  }
  async offer() {
    await this.local(await this.pc.createOffer());
  }
  async remoteDescription(description) {
    await this.pc.setRemoteDescription(description);
    if (description.type === 'offer') await this.local(await this.pc.createAnswer());
  }
  async local(description) {
    await this.pc.setLocalDescription(description);
    const { type, sdp } = this.pc.localDescription;
    this.on.description({ type, sdp });
  }
  async addCandidate(candidate) {
    await this.pc.addIceCandidate(candidate);
  }
  close() {
    this.pc.close();
  }
}

function plain({ candidate, sdpMid, sdpMLineIndex }) {
  return { candidate, sdpMid, sdpMLineIndex };
}
