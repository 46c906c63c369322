// A connection whose descriptions and candidates travel as lines; over any of the stacks.
//
// A stack is a module with `version` and a class Peer:
//   new Peer({description(d), candidate(c or null), state(text), channel(c)}, samples)   callbacks, all given; the samples
//     of a media case (samples.mjs)
//   offer()   remoteDescription(d): answers an offer by itself   addCandidate(c)   close()
//   openChannel({label, protocol, ordered, maxRetransmits})
//   openMedia({send, receive, offerer, received(mark)}): before offer() or the remote offer; has sendFrame(number) and
//     summary(), which is {form} of what was received, and more
// A channel has label, protocol, ordered, maxRetransmits, send(string or Buffer), close(), and calls onOpen(),
// onMessage(string or Buffer), onClose() if they are set.

export class Endpoint {
  constructor({ stack, lines, id = 0, samples, channel = () => {}, connected = () => {} }) {
    this.lines = lines;
    this.id = id;
    this.connected = connected;
    this.early = [];
    this.described = false;
    const on = {
      description: (description) => this.tell({ description }),
      candidate: (candidate) => this.tell({ candidate }),
      state: (state) => this.state(state),
      channel,
    };
    this.peer = new stack.Peer(on, samples);
  }

  tell(line) {
    this.lines.write(this.id ? { id: this.id, ...line } : line);
  }

  state(state) {
    if (state === 'connected') {
      this.tell({ event: 'connected' });
      this.connected();
    }
    if (state === 'failed') this.tell({ error: 'the connection failed' });
  }

  async handle(line) {
    if (line.description) {
      await this.peer.remoteDescription(line.description);
      this.described = true;
      for (const candidate of this.early.splice(0)) await this.peer.addCandidate(candidate);
    } else if (line.candidate) {
      if (this.described) await this.peer.addCandidate(line.candidate);
      else this.early.push(line.candidate);
    }
  }

  close() {
    this.peer.close();
  }
}
