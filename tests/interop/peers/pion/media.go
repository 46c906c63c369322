package main

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/pion/rtp"
	"github.com/pion/rtp/codecs"
	"github.com/pion/webrtc/v4"
	"github.com/pion/webrtc/v4/pkg/media"
	"github.com/pion/webrtc/v4/pkg/media/samplebuilder"
)

// Case "media": the same encoded frames over and over, one way or both.
type mediaCase struct {
	*endpoint
	samples  *samples
	track    *webrtc.TrackLocalStaticSample // nil if nothing is sent
	receives bool
	wanted   int
	// Tells whether that was agreed on, too.
	encryptsHeaders bool

	mutex    sync.Mutex
	sent     int
	received []string
}

func startMedia(c *context) (runningCase, error) {
	s, err := loadSamples(c.options.text("media", ""))
	if err != nil {
		return nil, err
	}
	capability := webrtc.RTPCodecCapability{
		MimeType: s.mime(), ClockRate: s.ClockRate, Channels: s.Channels, SDPFmtpLine: s.Fmtp,
	}
	api, err := apiWith(s.kind(), capability)
	if err != nil {
		return nil, err
	}
	configuration := webrtc.Configuration{}
	encryptsHeaders := c.options.text("header-encryption", "") == "require"
	if encryptsHeaders {
		configuration.RTPHeaderEncryptionPolicy = webrtc.RTPHeaderEncryptionPolicyRequire
	}
	e, err := newEndpoint(c.lines, 0, api, configuration)
	if err != nil {
		return nil, err
	}
	m := &mediaCase{endpoint: e, samples: s, receives: c.options.number("receive", 1) != 0,
		wanted: c.options.number("frames", 45), received: []string{}, encryptsHeaders: encryptsHeaders}
	e.onConnected = m.connected
	e.pc.OnTrack(func(track *webrtc.TrackRemote, _ *webrtc.RTPReceiver) { m.receive(track) })
	if c.options.number("send", 1) != 0 {
		if m.track, err = webrtc.NewTrackLocalStaticSample(capability, "track", "stream"); err != nil {
			return nil, err
		}
	}
	if err := m.addSection(c.options.offerer()); err != nil {
		return nil, err
	}
	if c.options.offerer() {
		m.offer()
	}
	return m, nil
}

// apiWith knows one codec, so that nobody chooses another, and has Pion's default interceptors.
func apiWith(kind string, capability webrtc.RTPCodecCapability) (*webrtc.API, error) {
	payloadType := webrtc.PayloadType(111)
	if kind == "video" {
		payloadType = 96
		capability.RTCPFeedback = []webrtc.RTCPFeedback{{Type: "nack"}, {Type: "nack", Parameter: "pli"}}
	}
	engine := &webrtc.MediaEngine{}
	err := engine.RegisterCodec(webrtc.RTPCodecParameters{RTPCodecCapability: capability, PayloadType: payloadType},
		webrtc.NewRTPCodecType(kind))
	return webrtc.NewAPI(webrtc.WithMediaEngine(engine)), err
}

// addSection adds what is sent or, to an offer, the wish to receive.
func (m *mediaCase) addSection(offers bool) error {
	if m.track == nil {
		if !offers {
			return nil
		}
		kind := webrtc.NewRTPCodecType(m.samples.kind())
		_, err := m.pc.AddTransceiverFromKind(kind, webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionRecvonly})
		return err
	}
	if !m.receives && offers {
		_, err := m.pc.AddTransceiverFromTrack(m.track,
			webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionSendonly})
		return err
	}
	_, err := m.pc.AddTrack(m.track)
	return err
}

func (m *mediaCase) connected() {
	if m.track == nil {
		return
	}
	go m.send()
	if !m.receives {
		m.mutex.Lock()
		defer m.mutex.Unlock()
		m.tell()
	}
}

func (m *mediaCase) send() {
	ticker := time.NewTicker(m.samples.interval())
	defer ticker.Stop()
	for range ticker.C {
		m.mutex.Lock()
		number := m.sent
		m.sent++
		m.mutex.Unlock()
		err := m.track.WriteSample(media.Sample{Data: m.samples.frame(number), Duration: m.samples.interval()})
		if err != nil {
			m.fail("a frame could not be sent", err)
			return
		}
	}
}

func (m *mediaCase) receive(track *webrtc.TrackRemote) {
	if !strings.EqualFold(track.Codec().MimeType, m.samples.mime()) {
		m.lines.error("a track of " + track.Codec().MimeType + " came")
		return
	}
	builder := samplebuilder.New(50, m.depacketizer(), m.samples.ClockRate)
	for {
		packet, _, err := track.ReadRTP()
		if err != nil {
			return // closed
		}
		builder.Push(packet)
		for sample := builder.Pop(); sample != nil; sample = builder.Pop() {
			m.add(sample.Data)
		}
	}
}

func (m *mediaCase) depacketizer() rtp.Depacketizer {
	switch m.samples.Codec {
	case "VP8":
		return &codecs.VP8Packet{}
	case "H264":
		return &codecs.H264Packet{}
	case "opus":
		return &codecs.OpusPacket{}
	}
	panic(fmt.Sprintf("no depacketizer of %s", m.samples.Codec))
}

func (m *mediaCase) add(frame []byte) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	if len(m.received) < m.wanted {
		m.received = append(m.received, markOf(frame))
		if len(m.received) == m.wanted {
			m.tell()
		}
	}
}

// tell wants the mutex held.
func (m *mediaCase) tell() {
	result := object{"sent": m.sent, "received": m.received, "form": "encoded"}
	if m.encryptsHeaders {
		transceivers := m.pc.GetTransceivers()
		result["headersEncrypted"] = len(transceivers) > 0 && transceivers[0].RTPHeaderEncryptionNegotiated()
	}
	m.lines.result(result)
}
