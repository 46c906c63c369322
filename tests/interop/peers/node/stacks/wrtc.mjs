// libwebrtc, by the Node binding @roamhq/wrtc.
import wrtc from '@roamhq/wrtc';
import { markOf, Tone } from '../samples.mjs';
import { W3cChannel, W3cPeer } from './w3c.mjs';

const { RTCAudioSink, RTCAudioSource, RTCVideoSink, RTCVideoSource } = wrtc.nonstandard;

class Channel extends W3cChannel {
  // The binding says 65535 where there is no limit.
  get maxRetransmits() {
    return super.maxRetransmits === 65535 ? null : super.maxRetransmits;
  }
}

// The binding takes and gives pictures and sound; the stack encodes and decodes them.
class Video {
  constructor(samples) {
    this.pictures = samples.pictures();
    this.came = [];
    this.source = new RTCVideoSource();
    this.track = this.source.createTrack();
  }
  sendFrame(number) {
    this.source.onFrame(this.pictures[number % this.pictures.length]);
  }
  receiveFrom(track, received) {
    this.sink = new RTCVideoSink(track);
    this.sink.onframe = ({ frame }) => {
      this.came.push(Buffer.from(frame.data));
      received(markOf(frame.data));
    };
  }
  // Whole pictures, because the stack smooths them after decoding: none is what another decoder makes of it.
  summary() {
    return { form: 'pictures', frames: this.came.map((picture) => picture.toString('hex')) };
  }
}

class Audio {
  constructor(samples) {
    this.samples = samples;
    this.tone = new Tone();
    this.source = new RTCAudioSource();
    this.track = this.source.createTrack();
  }
  // Pieces of 10 ms, as the stack wants them.
  sendFrame(number) {
    const { clockRate: sampleRate, duration } = this.samples;
    const size = sampleRate / 100;
    for (let start = number * duration; start < (number + 1) * duration; start += size) {
      const samples = Int16Array.from({ length: size }, (_, i) => 8000 * Math.sin((2 * Math.PI * 440 * (start + i)) / sampleRate));
      this.source.onData({ samples, sampleRate, bitsPerSample: 16, channelCount: 1, numberOfFrames: size });
    }
  }
  receiveFrom(track, received) {
    this.sink = new RTCAudioSink(track);
    this.sink.ondata = ({ samples, sampleRate, channelCount }) => {
      // Silence comes before the first packet, and where one is late.
      if (!samples.some((sample) => Math.abs(sample) > 1000)) return;
      this.tone.add(samples.filter((_, i) => i % channelCount === 0), sampleRate);
      received('');
    };
  }
  summary() {
    return { form: 'tone', toneHz: this.tone.hz() };
  }
}

export class Peer extends W3cPeer {
  constructor(on, samples) {
    super(new wrtc.RTCPeerConnection(), on, Channel);
    this.samples = samples;
  }
  openMedia({ send, receive, offerer, received }) {
    const media = this.samples.kind === 'video' ? new Video(this.samples) : new Audio(this.samples);
    const direction = send && receive ? 'sendrecv' : send ? 'sendonly' : 'recvonly';
    if (offerer) this.pc.addTransceiver(send ? media.track : this.samples.kind, { direction });
    else if (send) this.pc.addTrack(media.track);
    this.pc.ontrack = ({ track }) => media.receiveFrom(track, received);
    return media;
  }
}
