// RTP for stacks that take and give packets and leave payloads to the program: RFC 3550, 7741 (VP8), 6184 (H.264),
// 7587 (Opus). Sends packets of one stream in order; expects them in order, as loopback gives them.
import { markOf } from './samples.mjs';

const mtu = 1100;

function chunks(data, size) {
  return Array.from({ length: Math.ceil(data.length / size) }, (_, i) => data.subarray(i * size, (i + 1) * size));
}

function nalUnits(frame) {
  const starts = [];
  for (let at = frame.indexOf('000001', 0, 'hex'); at >= 0; at = frame.indexOf('000001', at + 3, 'hex')) starts.push(at + 3);
  return starts.map((start, i) => {
    let end = i + 1 < starts.length ? starts[i + 1] - 3 : frame.length;
    if (i + 1 < starts.length && frame[end - 1] === 0) --end;
    return frame.subarray(start, end);
  });
}

const packetizers = {
  opus: (frame) => [frame],
  VP8: (frame) => chunks(frame, mtu).map((part, i) => Buffer.concat([Buffer.from([i === 0 ? 0x10 : 0]), part])),
  H264: (frame) => nalUnits(frame).flatMap((nal) => (nal.length <= mtu ? [nal] : fragments(nal))),
};

// FU-A, RFC 6184 section 5.8
function fragments(nal) {
  const parts = chunks(nal.subarray(1), mtu);
  return parts.map((part, i) => {
    const edge = (i === 0 ? 0x80 : 0) | (i === parts.length - 1 ? 0x40 : 0);
    return Buffer.concat([Buffer.from([(nal[0] & 0x60) | 28, edge | (nal[0] & 0x1f)]), part]);
  });
}

const startCode = Buffer.from([0, 0, 0, 1]);

const depacketizers = {
  opus: (payload) => payload,
  VP8: (payload) => payload.subarray(vp8DescriptorSize(payload)),
  H264: (payload) => {
    const type = payload[0] & 0x1f;
    if (type === 24) return aggregated(payload);
    if (type !== 28) return Buffer.concat([startCode, payload]);
    const rest = payload.subarray(2);
    return payload[1] & 0x80 ? Buffer.concat([startCode, Buffer.from([(payload[0] & 0xe0) | (payload[1] & 0x1f)]), rest]) : rest;
  },
};

// RFC 7741 section 4.2
function vp8DescriptorSize(payload) {
  if (!(payload[0] & 0x80)) return 1;
  const extensions = payload[1];
  let size = 2;
  if (extensions & 0x80) size += payload[size] & 0x80 ? 2 : 1;
  if (extensions & 0x40) ++size;
  if (extensions & 0x30) ++size;
  return size;
}

// STAP-A, RFC 6184 section 5.7.1
function aggregated(payload) {
  const nals = [];
  for (let at = 1; at + 2 < payload.length; ) {
    const size = payload.readUInt16BE(at);
    nals.push(startCode, payload.subarray(at + 2, at + 2 + size));
    at += 2 + size;
  }
  return Buffer.concat(nals);
}

function parse(packet) {
  let start = 12 + 4 * (packet[0] & 0x0f);
  if (packet[0] & 0x10) start += 4 + 4 * packet.readUInt16BE(start + 2);
  const padding = packet[0] & 0x20 ? packet[packet.length - 1] : 0;
  return {
    marker: (packet[1] & 0x80) !== 0,
    payloadType: packet[1] & 0x7f,
    timestamp: packet.readUInt32BE(4),
    payload: packet.subarray(start, packet.length - padding),
  };
}

export class RtpMedia {
  form = 'encoded';

  /// `sendPacket` takes a packet; `received` gets the mark of each whole frame.
  constructor(samples, { ssrc, sendPacket, received }) {
    Object.assign(this, { samples, ssrc, sendPacket, received, sequence: 1000, parts: [] });
  }

  sendFrame(number) {
    const payloads = packetizers[this.samples.codec](this.samples.frame(number));
    payloads.forEach((payload, i) => {
      const header = Buffer.alloc(12);
      // Audio has its marker at the start of talking, video at the end of a frame.
      const marker = this.samples.kind === 'audio' ? number === 0 : i === payloads.length - 1;
      header[0] = 0x80;
      header[1] = (marker ? 0x80 : 0) | this.samples.payloadType;
      header.writeUInt16BE(this.sequence++ & 0xffff, 2);
      header.writeUInt32BE((number * this.samples.duration) >>> 0, 4);
      header.writeUInt32BE(this.ssrc, 8);
      this.sendPacket(Buffer.concat([header, payload]));
    });
  }

  receivePacket(bytes) {
    const packet = parse(bytes);
    // Padding alone is how senders probe; another payload type is a retransmission, of which loopback needs none.
    if (packet.payload.length === 0 || packet.payloadType !== this.samples.payloadType) return;
    this.parts.push(depacketizers[this.samples.codec](packet.payload));
    if (this.samples.kind === 'video' && !packet.marker) return;
    this.received(markOf(Buffer.concat(this.parts)));
    this.parts = [];
  }

  summary() {
    return { form: this.form };
  }
}
