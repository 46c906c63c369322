// The encoded frames that a media case sends and expects.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

export class Samples {
  constructor(path) {
    Object.assign(this, JSON.parse(readFileSync(path)));
    this.frames = this.frames.map((digits) => Buffer.from(digits, 'hex'));
    this.kind = this.channels > 0 ? 'audio' : 'video';
    this.payloadType = this.kind === 'audio' ? 111 : 96;
    this.folder = dirname(path);
  }
  frame(number) {
    return this.frames[number % this.frames.length];
  }
  get milliseconds() {
    return (1000 * this.duration) / this.clockRate;
  }
  // The same video decoded, for stacks that encode by themselves.
  pictures() {
    const { file, width, height } = this.decoded;
    const all = readFileSync(join(this.folder, file));
    const size = (width * height * 3) / 2;
    return Array.from({ length: all.length / size }, (_, i) => ({
      width,
      height,
      data: new Uint8ClampedArray(all.subarray(i * size, (i + 1) * size)),
    }));
  }
}

/// The first 16 digits of its SHA-256: how peers tell which frame they got.
export function markOf(frame) {
  return createHash('sha256').update(frame).digest('hex').slice(0, 16);
}

/// The frequency of a tone out of pieces of sound of one channel: the median over pieces of 100 ms.
export class Tone {
  constructor() {
    this.piece = [];
    this.found = [];
  }
  add(samples, sampleRate) {
    this.piece.push(...samples);
    if (this.piece.length < sampleRate / 10) return;
    let rising = 0;
    for (let i = 1; i < this.piece.length; ++i) rising += this.piece[i - 1] < 0 && this.piece[i] >= 0;
    this.found.push((rising * sampleRate) / this.piece.length);
    this.piece = [];
  }
  hz() {
    return this.found.sort((a, b) => a - b)[this.found.length >> 1] ?? 0;
  }
}
