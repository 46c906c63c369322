package main

import (
	"bytes"
	"encoding/binary"
	"strings"
	"sync"
	"time"

	"github.com/pion/webrtc/v4"
	"github.com/pion/webrtc/v4/pkg/media"
)

const (
	callInterval  = 20 * time.Millisecond
	callFrameSize = 100
	callToc       = 0x78 // RFC 6716 §3.1: CELT, 20 ms, mono, one frame
)

// Follows the TOC; then comes the number, 32 bits in network order.
var callMark = []byte("call")

// Case "call": numbered frames both ways every 20 ms until the end, and answers about them and about the path.
type callCase struct {
	*endpoint
	track *webrtc.TrackLocalStaticSample
	begin sync.Once
	end   chan struct{}

	mutex    sync.Mutex
	sent     uint32
	received int
	missing  int
	gap      time.Duration
	last     time.Time
	next     uint32
}

func iceServers(o options) []webrtc.ICEServer {
	servers := []webrtc.ICEServer{}
	if urls := o.text("ice-servers", ""); urls != "" {
		for _, url := range strings.Split(urls, ",") {
			servers = append(servers, webrtc.ICEServer{
				URLs: []string{url}, Username: o.text("ice-user", ""), Credential: o.text("ice-password", ""),
			})
		}
	}
	return servers
}

func startCall(c *context) (runningCase, error) {
	capability := webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeOpus, ClockRate: 48000, Channels: 2}
	api, err := apiWith("audio", capability)
	if err != nil {
		return nil, err
	}
	e, err := newEndpoint(c.lines, 0, api, webrtc.Configuration{ICEServers: iceServers(c.options)})
	if err != nil {
		return nil, err
	}
	call := &callCase{endpoint: e, end: make(chan struct{})}
	e.onConnected = func() { call.begin.Do(func() { go call.send() }) }
	e.pc.OnTrack(func(track *webrtc.TrackRemote, _ *webrtc.RTPReceiver) { call.receive(track) })
	if call.track, err = webrtc.NewTrackLocalStaticSample(capability, "track", "stream"); err != nil {
		return nil, err
	}
	if _, err = e.pc.AddTrack(call.track); err != nil {
		return nil, err
	}
	if c.options.offerer() {
		call.offer()
	}
	return call, nil
}

func (c *callCase) handle(line inputLine) {
	switch line.Ask {
	case "report":
		c.report()
	case "restart":
		c.lines.event("restart")
		if offer, err := c.pc.CreateOffer(&webrtc.OfferOptions{ICERestart: true}); err != nil {
			c.fail("no offer", err)
		} else {
			c.setLocal(offer)
		}
	default:
		c.endpoint.handle(line)
	}
}

func (c *callCase) send() {
	ticker := time.NewTicker(callInterval)
	defer ticker.Stop()
	for {
		select {
		case <-c.end:
			return
		case <-ticker.C:
		}
		c.mutex.Lock()
		frame := make([]byte, callFrameSize)
		frame[0] = callToc
		copy(frame[1:], callMark)
		binary.BigEndian.PutUint32(frame[5:], c.sent)
		c.sent++
		c.mutex.Unlock()
		// A frame that cannot leave is lost like one on the way.
		_ = c.track.WriteSample(media.Sample{Data: frame, Duration: callInterval})
	}
}

func (c *callCase) receive(track *webrtc.TrackRemote) {
	for {
		packet, _, err := track.ReadRTP()
		if err != nil {
			return // closed
		}
		c.add(packet.Payload, time.Now())
	}
}

func (c *callCase) add(frame []byte, now time.Time) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if !c.last.IsZero() {
		c.gap = max(c.gap, now.Sub(c.last))
	}
	c.last = now
	c.received++
	if len(frame) < 9 || !bytes.Equal(frame[1:5], callMark) {
		return
	}
	number := binary.BigEndian.Uint32(frame[5:])
	if c.next > 0 && number > c.next {
		c.missing += int(number - c.next)
	}
	c.next = max(c.next, number+1)
}

// report tells what arrived since the last report.
func (c *callCase) report() {
	c.mutex.Lock()
	if !c.last.IsZero() {
		c.gap = max(c.gap, time.Since(c.last)) // a silence that lasts counts, too
	}
	told := object{"event": "report", "sent": c.sent, "received": c.received, "missing": c.missing, "gapMs": c.gap.Milliseconds()}
	c.received, c.missing, c.gap = 0, 0, 0
	c.mutex.Unlock()
	ice := c.pc.GetSenders()[0].Transport().ICETransport()
	if pair, err := ice.GetSelectedCandidatePair(); err == nil && pair != nil {
		told["local"], told["remote"] = candidateOf(pair.Local), candidateOf(pair.Remote)
	}
	told["role"] = ice.Role().String()
	c.lines.write(told)
}

func candidateOf(c *webrtc.ICECandidate) object {
	return object{"type": c.Typ.String(), "protocol": c.Protocol.String(), "address": c.Address, "port": c.Port}
}

func (c *callCase) close() {
	close(c.end)
	c.endpoint.close()
}
