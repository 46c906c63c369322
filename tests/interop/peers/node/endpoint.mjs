// A connection whose descriptions and candidates travel as lines; over any of the stacks.
//
// A stack is a module with `version` and a class Peer:
//   new Peer({description(d), candidate(c or null), state(text), channel(c), track(t)})   callbacks, all given
//   offer()   remoteDescription(d): answers an offer by itself   addCandidate(c)   close()
//   openChannel({label, protocol, ordered, maxRetransmits})
// A channel has label, protocol, ordered, maxRetransmits, send(string or Buffer), close(), and calls onOpen(),
// onMessage(string or Buffer), onClose() if they are set.

export class Endpoint {
  constructor({ stack, lines, id = 0, channel = () => {}, track = () => {} }) {
    this.lines = lines;
    this.id = id;
    this.early = [];
    this.described = false;
    this.peer = new stack.Peer({
      description: (description) => this.tell({ description }),
      candidate: (candidate) => this.tell({ candidate }),
      state: (state) => this.state(state),
      channel,
      track,
    });
  }

  tell(line) {
    this.lines.write(this.id ? { id: this.id, ...line } : line);
  }

  state(state) {
    if (state === 'connected') this.tell({ event: 'connected' });
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
