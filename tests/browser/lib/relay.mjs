// A path with a delay, or that loses packets, between two peers on this machine: whatever one sends to the address it was told of the other arrives later, from the
// address that the other was told of it.

import dgram from 'node:dgram';

const UDP4 = /^a?=?candidate:\S+ 1 udp \d+ (\d+\.\d+\.\d+\.\d+) (\d+) typ host/im;

function bind() {
  return new Promise((done, fail) => {
    const socket = dgram.createSocket('udp4');
    socket.once('error', fail);
    socket.bind(0, '127.0.0.1', () => done(socket));
  });
}

/** A path of `delay` ms each way for one call, which loses a share of `loss` of all packets, closed by `close()`. What comes before `begin()` is
 *  as if it came then, so that nobody has a head start while descriptions are handed over. `near(sdp, lines)` and `far(sdp, lines)` give what to tell the other side
 *  of a description: the same with one candidate, which leads here. The candidates are those in it and in `lines` ("candidate:…"). */
export async function delayedPath(delay, loss = 0) {
  const sides = [{ socket: await bind() }, { socket: await bind() }];
  const count = { lost: 0, passed: 0 };
  let open = true;
  let begin;
  const begun = new Promise(done => { begin = done; });
  // What comes to the socket that stands for one side is for that side, and comes from the other.
  for (const [at, side] of sides.entries()) {
    side.socket.on('message', bytes => {
      const lost = Math.random() < loss;
      count[lost ? 'lost' : 'passed']++;
      if (lost) return;
      void begun.then(() => setTimeout(() => {
        if (open && side.address) sides[1 - at].socket.send(bytes, side.address.port, side.address.host);
      }, delay));
    });
  }
  const tell = side => (sdp, lines = []) => {
    const found = [sdp, ...lines.map(line => `a=${line}`)].map(text => text.match(UDP4)).find(Boolean);
    if (!found) throw new Error(`no candidate to lead to in ${sdp} ${lines}`);
    side.address = { host: found[1], port: Number(found[2]) };
    const bare = sdp.replace(/a=(candidate|end-of-candidates).*\r\n/g, '');
    return `${bare}a=candidate:1 1 udp 2122260223 127.0.0.1 ${side.socket.address().port} typ host\r\na=end-of-candidates\r\n`;
  };
  return {
    count,
    begin,
    near: tell(sides[0]),
    far: tell(sides[1]),
    close() {
      open = false;
      for (const { socket } of sides) socket.close();
    },
  };
}
