// A connection of a page whose one channel says "hello" when it opens, and hears what comes back.

/** The offer, with all candidates. The page has the connection as `pc`, and the first answer as the promise `echoed`. */
export async function offerEcho(page) {
  return page.evaluate(async () => {
    const pc = new RTCPeerConnection();
    const channel = pc.createDataChannel('echo');
    globalThis.pc = pc;
    globalThis.echoed = new Promise(done => {
      channel.onopen = () => channel.send('hello');
      channel.onmessage = ({ data }) => done(data);
    });
    await pc.setLocalDescription();
    while (pc.iceGatheringState !== 'complete') await new Promise(done => { pc.onicegatheringstatechange = done; });
    return pc.localDescription.sdp;
  });
}
