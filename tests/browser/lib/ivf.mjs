/** Times of the frames of an IVF file, in seconds. */
export function ivfTimes(bytes) {
  if (bytes.toString('latin1', 0, 4) !== 'DKIF') throw new Error('no IVF file');
  const rate = bytes.readUInt32LE(16);
  const scale = bytes.readUInt32LE(20);
  const times = [];
  for (let at = bytes.readUInt16LE(6); at + 12 <= bytes.length; at += 12 + bytes.readUInt32LE(at)) {
    times.push((Number(bytes.readBigUInt64LE(at + 4)) * scale) / rate);
  }
  return times;
}
