// The test picture in recorded files.

import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import { decode } from '../../../web/pattern.js';

/** Times of the frames of an IVF file, in seconds. */
function times(bytes) {
  if (bytes.toString('latin1', 0, 4) !== 'DKIF') throw new Error('no IVF file');
  const rate = bytes.readUInt32LE(16);
  const scale = bytes.readUInt32LE(20);
  const found = [];
  for (let at = bytes.readUInt16LE(6); at + 12 <= bytes.length; at += 12 + bytes.readUInt32LE(at)) {
    found.push((Number(bytes.readBigUInt64LE(at + 4)) * scale) / rate);
  }
  return found;
}

/** {frames: [{frame, at}], damaged}: the frame numbers that ffmpeg decodes from a file of this size of picture, and their times in ms. */
export function readRecording(file, width, height) {
  const at = times(fs.readFileSync(file));
  const rows = 2 * Math.ceil(height / 12);
  const pictures = execFileSync('ffmpeg', ['-v', 'error', '-i', file, '-vf', `scale=${width}:${height}:flags=neighbor,crop=${width}:${rows}:0:0`,
    '-fps_mode', 'passthrough', '-pix_fmt', 'gray', '-f', 'rawvideo', '-'], { maxBuffer: 2 ** 31, stdio: ['ignore', 'pipe', 'pipe'] });
  const size = width * rows;
  if (pictures.length !== size * at.length) throw new Error(`${file}: ${pictures.length / size} pictures of ${at.length} frames`);
  const frames = [];
  let damaged = 0;
  at.forEach((time, i) => {
    const { frame } = decode((x, y) => pictures[i * size + y * width + x], width, height);
    if (frame === null) damaged++;
    else frames.push({ frame, at: time * 1000 });
  });
  return { frames, damaged };
}
