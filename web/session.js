// One WHIP or WHEP session: a peer connection whose offer and answer travel over HTTP (RFC 9725, draft-ietf-wish-whep).

const GATHERING_LIMIT_MS = 400; // host candidates come at once; later ones are trickled

export class Session extends EventTarget {
  constructor(kind, name, token) {
    super();
    this.kind = kind; // "whip" or "whep"
    this.name = name;
    this.token = token;
    this.pc = new RTCPeerConnection({ bundlePolicy: 'max-bundle' });
    this.chat = this.pc.createDataChannel('chat');
    this.echo = this.pc.createDataChannel('echo');
    this.echo.binaryType = 'arraybuffer';
    this.stream = new MediaStream();
    this.pc.ontrack = ({ track }) => this.stream.addTrack(track);
    this.pc.onconnectionstatechange = () => this.#changed();
    // The server's goodbye closes the channels at once; the connection itself would only notice after its time-out.
    this.chat.addEventListener('close', () => this.#ended());
  }

  static async publish(name, stream, { token, codec } = {}) {
    const session = new Session('whip', name, token);
    for (const track of stream.getTracks()) {
      const transceiver = session.pc.addTransceiver(track, { direction: 'sendonly', streams: [stream] });
      if (track.kind === 'video' && codec) prefer(transceiver, 'Sender', codec);
    }
    return session.#start();
  }

  static async watch(name, { token } = {}) {
    const session = new Session('whep', name, token);
    session.pc.addTransceiver('video', { direction: 'recvonly' });
    session.pc.addTransceiver('audio', { direction: 'recvonly' });
    return session.#start();
  }

  async #start() {
    try {
      const endpoint = `/${this.kind}/${encodeURIComponent(this.name)}`;
      const iceServers = iceServersOf((await this.#request(endpoint, 'OPTIONS')).headers.get('Link'));
      if (iceServers.length > 0) this.pc.setConfiguration({ bundlePolicy: 'max-bundle', iceServers });
      await this.pc.setLocalDescription();
      await gathered(this.pc, GATHERING_LIMIT_MS);
      const reply = await this.#request(endpoint, 'POST', 'application/sdp', this.pc.localDescription.sdp);
      this.url = new URL(reply.headers.get('Location'), location.href).href;
      this.etag = reply.headers.get('ETag');
      this.pc.onicecandidate = ({ candidate }) => candidate && this.#trickle(candidate);
      await this.pc.setRemoteDescription({ type: 'answer', sdp: await reply.text() });
      return this;
    } catch (error) {
      this.pc.close();
      throw error;
    }
  }

  async #request(url, method, type, body, headers = {}) {
    if (type) headers['Content-Type'] = type;
    if (this.token) headers.Authorization = `Bearer ${this.token}`;
    const reply = await fetch(url, { method, body, headers });
    if (!reply.ok) throw new Error((await reply.text()) || `The server answered ${reply.status}.`);
    return reply;
  }

  #trickle(candidate) {
    const { usernameFragment } = candidate;
    const password = this.pc.localDescription.sdp.match(/a=ice-pwd:(\S+)/)?.[1];
    const fragment = `a=ice-ufrag:${usernameFragment}\r\na=ice-pwd:${password}\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\n`
      + `a=mid:${candidate.sdpMid}\r\na=${candidate.candidate}\r\n`;
    this.#request(this.url, 'PATCH', 'application/trickle-ice-sdpfrag', fragment, { 'If-Match': this.etag })
      .catch(error => console.warn('trickle', error.message));
  }

  #changed() {
    const state = this.pc.connectionState;
    this.dispatchEvent(new CustomEvent('state', { detail: state }));
    if (state === 'failed' || state === 'closed') this.#ended();
  }

  #ended() {
    if (this.over) return;
    this.over = true;
    this.pc.close();
    this.dispatchEvent(new Event('end'));
  }

  async close() {
    this.pc.close();
    this.#ended();
    if (this.url) await this.#request(this.url, 'DELETE').catch(() => {});
  }
}

/** The STUN and TURN servers of Link headers (RFC 9725, section 4.6), which a browser gives joined by commas. */
export function iceServersOf(links) {
  const servers = [];
  for (const [, urls, parameters] of (links ?? '').matchAll(/<([^>]*)>((?:\s*;\s*[\w-]+=(?:"(?:\\.|[^"\\])*"|[^\s;,"]+))*)/g)) {
    const values = Object.fromEntries([...parameters.matchAll(/([\w-]+)=(?:"((?:\\.|[^"\\])*)"|([^\s;,"]+))/g)]
      .map(([, name, text, token]) => [name.toLowerCase(), text?.replace(/\\(.)/g, '$1') ?? token]));
    if (values.rel !== 'ice-server') continue;
    servers.push(values.username === undefined ? { urls } : { urls, username: values.username, credential: values.credential });
  }
  return servers;
}

function prefer(transceiver, side, name) {
  const { codecs } = globalThis[`RTCRtp${side}`].getCapabilities('video');
  const wanted = codec => codec.mimeType.toLowerCase() === `video/${name.toLowerCase()}`;
  const others = codecs.filter(codec => /rtx/i.test(codec.mimeType));
  if (!codecs.some(wanted)) throw new Error(`This browser cannot send ${name}.`);
  transceiver.setCodecPreferences([...codecs.filter(wanted), ...others]);
}

function gathered(pc, limit) {
  return new Promise(done => {
    if (pc.iceGatheringState === 'complete') return done();
    setTimeout(done, limit);
    pc.addEventListener('icegatheringstatechange', () => pc.iceGatheringState === 'complete' && done());
  });
}
