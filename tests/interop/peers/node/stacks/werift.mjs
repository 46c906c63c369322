// werift, all of it TypeScript.
import { RTCPeerConnection } from 'werift';
import { W3cPeer } from './w3c.mjs';

export class Peer extends W3cPeer {
  constructor(on) {
    super(new RTCPeerConnection({ iceServers: [] }), on);
  }
}
