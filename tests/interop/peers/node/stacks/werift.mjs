// werift, all of it TypeScript.
import { MediaStreamTrack, RTCPeerConnection, RTCRtpCodecParameters } from 'werift';
import { RtpMedia } from '../rtp.mjs';
import { W3cPeer } from './w3c.mjs';

function codecOf({ kind, codec, clockRate, channels, fmtp, payloadType }) {
  return new RTCRtpCodecParameters({
    mimeType: `${kind}/${codec}`,
    clockRate,
    channels: channels || undefined,
    parameters: fmtp || undefined,
    payloadType,
    rtcpFeedback: kind === 'video' ? [{ type: 'nack' }, { type: 'nack', parameter: 'pli' }] : [],
  });
}

export class Peer extends W3cPeer {
  constructor(on, samples) {
    const codecs = samples ? { [samples.kind]: [codecOf(samples)] } : undefined;
    super(new RTCPeerConnection({ iceServers: [], codecs }), on);
    this.samples = samples;
  }
  openMedia({ send, receive, offerer, received }) {
    const track = new MediaStreamTrack({ kind: this.samples.kind });
    const media = new RtpMedia(this.samples, { ssrc: 1, sendPacket: (packet) => track.writeRtp(packet), received });
    const direction = send && receive ? 'sendrecv' : send ? 'sendonly' : 'recvonly';
    if (offerer) this.pc.addTransceiver(send ? track : this.samples.kind, { direction });
    else if (send) this.pc.addTrack(track);
    this.pc.onTrack.subscribe((remote) => {
      // The answerer may number its payload types by the offer.
      remote.onReceiveRtp.subscribe((packet) => {
        packet.header.payloadType = this.samples.payloadType;
        media.receivePacket(packet.serialize());
      });
    });
    return media;
  }
}
