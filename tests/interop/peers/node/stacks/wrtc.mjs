// libwebrtc, by the Node binding @roamhq/wrtc.
import wrtc from '@roamhq/wrtc';
import { W3cChannel, W3cPeer } from './w3c.mjs';

class Channel extends W3cChannel {
  // The binding says 65535 where there is no limit.
  get maxRetransmits() {
    return super.maxRetransmits === 65535 ? null : super.maxRetransmits;
  }
}

export class Peer extends W3cPeer {
  constructor(on) {
    super(new wrtc.RTCPeerConnection(), on, Channel);
  }
}
