// The Pion side of ./bench: many connections in one process, driven by words on stdin, told as JSON lines on stdout.
// The protocol is in benchmarks/README.md.
package main

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/pion/webrtc/v4"
)

type signal struct {
	Kind string `json:"kind"`
	Link int    `json:"link"`
	Text string `json:"text"`
	Mid  string `json:"mid"`
}

type link struct {
	connection *webrtc.PeerConnection
	channels   []*webrtc.DataChannel
	track      *webrtc.TrackLocalStaticSample
	began      time.Time
	open       int32
	opened     sync.Once
	waiting    []webrtc.ICECandidateInit
}

type peer struct {
	offers, video, keep, newCertificate, ordered bool
	channels, messageSize, frameSize             int

	api         *webrtc.API
	certificate webrtc.Certificate

	mutex     sync.Mutex
	links     map[int]*link
	wanted    int
	parallel  int
	begun     int
	underWay  int
	out       sync.Mutex
	signals   *os.File
	signalOut sync.Mutex
	stopped   atomic.Bool

	sentBytes, sentUnits, receivedBytes, receivedUnits, packets atomic.Uint64
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func (p *peer) tell(format string, values ...any) {
	p.out.Lock()
	defer p.out.Unlock()
	fmt.Printf(format+"\n", values...)
}

func (p *peer) signal(s signal) {
	bytes, err := json.Marshal(s)
	check(err)
	p.signalOut.Lock()
	defer p.signalOut.Unlock()
	_, _ = p.signals.Write(append(bytes, '\n'))
}

func (p *peer) link(index int) *link {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if p.links[index] == nil {
		p.links[index] = &link{}
	}
	return p.links[index]
}

func (p *peer) connect(l *link, index int) {
	configuration := webrtc.Configuration{}
	if !p.newCertificate {
		configuration.Certificates = []webrtc.Certificate{p.certificate}
	}
	connection, err := p.api.NewPeerConnection(configuration)
	check(err)
	connection.OnICECandidate(func(candidate *webrtc.ICECandidate) {
		if candidate != nil {
			p.signal(signal{Kind: "candidate", Link: index, Text: candidate.ToJSON().Candidate})
		}
	})
	connection.OnConnectionStateChange(func(state webrtc.PeerConnectionState) {
		if state == webrtc.PeerConnectionStateFailed {
			p.tell(`{"event":"failed","link":%d,"why":"connection failed"}`, index)
		}
		if p.video && p.offers && state == webrtc.PeerConnectionStateConnected {
			p.opened(l, index)
		}
	})
	connection.OnDataChannel(func(channel *webrtc.DataChannel) {
		channel.OnMessage(func(message webrtc.DataChannelMessage) {
			p.receivedBytes.Add(uint64(len(message.Data)))
			p.receivedUnits.Add(1)
		})
	})
	connection.OnTrack(func(track *webrtc.TrackRemote, _ *webrtc.RTPReceiver) {
		for {
			packet, _, err := track.ReadRTP()
			if err != nil {
				return
			}
			p.packets.Add(1)
			p.receivedBytes.Add(uint64(len(packet.Payload)))
			if packet.Marker {
				p.receivedUnits.Add(1)
			}
		}
	})
	l.connection = connection
}

func (p *peer) beginMore() {
	p.mutex.Lock()
	var indexes []int
	for p.underWay < p.parallel && p.begun < p.wanted {
		indexes = append(indexes, p.begun)
		p.begun++
		p.underWay++
	}
	p.mutex.Unlock()
	for _, index := range indexes {
		go p.begin(index)
	}
}

func (p *peer) begin(index int) {
	l := p.link(index)
	l.began = time.Now()
	p.connect(l, index)
	if p.video {
		capability := webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeH264}
		track, err := webrtc.NewTrackLocalStaticSample(capability, "video", "bench")
		check(err)
		init := webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionSendonly}
		transceiver, err := l.connection.AddTransceiverFromTrack(track, init)
		check(err)
		l.track = track
		go func() {
			buffer := make([]byte, 1500)
			for {
				if _, _, err := transceiver.Sender().Read(buffer); err != nil {
					return
				}
			}
		}()
	}
	for i := 0; i < p.channels && !p.video; i++ {
		channel, err := l.connection.CreateDataChannel("bench", &webrtc.DataChannelInit{Ordered: &p.ordered})
		check(err)
		channel.OnOpen(func() {
			if atomic.AddInt32(&l.open, 1) == int32(p.channels) {
				p.opened(l, index)
			}
		})
		l.channels = append(l.channels, channel)
	}
	offer, err := l.connection.CreateOffer(nil)
	check(err)
	check(l.connection.SetLocalDescription(offer))
	p.signal(signal{Kind: "offer", Link: index, Text: offer.SDP})
}

func (p *peer) opened(l *link, index int) {
	l.opened.Do(func() {
		p.tell(`{"event":"open","ms":%f}`, float64(time.Since(l.began).Nanoseconds())/1e6)
		if !p.keep {
			p.signal(signal{Kind: "close", Link: index})
			go func() { _ = l.connection.Close() }()
		}
		p.mutex.Lock()
		p.underWay--
		p.mutex.Unlock()
		p.beginMore()
	})
}

func (p *peer) onSignal(s signal) {
	l := p.link(s.Link)
	switch s.Kind {
	case "offer":
		p.connect(l, s.Link)
		check(l.connection.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: s.Text}))
		answer, err := l.connection.CreateAnswer(nil)
		check(err)
		check(l.connection.SetLocalDescription(answer))
		p.signal(signal{Kind: "answer", Link: s.Link, Text: answer.SDP})
		p.addWaiting(l)
	case "answer":
		check(l.connection.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: s.Text}))
		p.addWaiting(l)
	case "candidate":
		candidate := webrtc.ICECandidateInit{Candidate: s.Text}
		if l.connection == nil || l.connection.RemoteDescription() == nil {
			l.waiting = append(l.waiting, candidate)
		} else {
			_ = l.connection.AddICECandidate(candidate)
		}
	case "close":
		go func() { _ = l.connection.Close() }()
	}
}

func (p *peer) addWaiting(l *link) {
	for _, candidate := range l.waiting {
		_ = l.connection.AddICECandidate(candidate)
	}
	l.waiting = nil
}

// Messages as fast as they go, or frames thirty times a second.
func (p *peer) send() {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	const interval = time.Second / 30
	for index, l := range p.links {
		if p.video {
			go p.sendVideo(l, index, interval, interval*time.Duration(index)/time.Duration(len(p.links)))
		}
		for _, channel := range l.channels {
			p.pour(channel)
		}
	}
}

func (p *peer) pour(channel *webrtc.DataChannel) {
	const mostBuffered = 4 << 20
	most := uint64(mostBuffered / p.channels)
	message := make([]byte, p.messageSize)
	for i := range message {
		message[i] = 0x5a
	}
	low := make(chan struct{}, 1)
	channel.SetBufferedAmountLowThreshold(most / 2)
	channel.OnBufferedAmountLow(func() {
		select {
		case low <- struct{}{}:
		default:
		}
	})
	go func() {
		for !p.stopped.Load() {
			if channel.BufferedAmount() >= most {
				<-low
				continue
			}
			if channel.Send(message) != nil {
				return
			}
			p.sentBytes.Add(uint64(len(message)))
			p.sentUnits.Add(1)
		}
	}()
}

func (p *peer) sendVideo(l *link, index int, interval, offset time.Duration) {
	frame := make([]byte, p.frameSize)
	_, _ = rand.Read(frame)
	for i, b := range frame {
		if b == 0 {
			frame[i] = byte(1 + index%255)
		}
	}
	copy(frame, []byte{0, 0, 0, 1, 0x65})
	time.Sleep(offset)
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for !p.stopped.Load() {
		if l.track.WriteSample(mediaSample(frame, interval)) == nil {
			p.sentBytes.Add(uint64(len(frame)))
			p.sentUnits.Add(1)
		}
		<-ticker.C
	}
}

func (p *peer) sample() {
	var usage syscall.Rusage
	check(syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	cpu := time.Duration(usage.Utime.Nano() + usage.Stime.Nano()).Seconds()
	p.tell(`{"event":"sample","cpu_s":%f,"sent_bytes":%d,"sent_units":%d,"received_bytes":%d,"received_units":%d,"packets":%d}`,
		cpu, p.sentBytes.Load(), p.sentUnits.Load(), p.receivedBytes.Load(), p.receivedUnits.Load(), p.packets.Load())
}

func (p *peer) onCommand(words []string) {
	switch words[0] {
	case "open":
		count, err := strconv.Atoi(words[1])
		check(err)
		parallel, err := strconv.Atoi(words[2])
		check(err)
		p.mutex.Lock()
		p.wanted += count
		p.parallel = parallel
		p.mutex.Unlock()
		p.beginMore()
	case "send":
		p.send()
	case "stop":
		p.stopped.Store(true)
	case "sample":
		p.sample()
	case "quit":
		os.Exit(0)
	}
}

func main() {
	p := &peer{links: map[int]*link{}, signals: os.NewFile(3, "signals")}
	p.offers = len(os.Args) > 1 && os.Args[1] == "offer"
	flags := flag.NewFlagSet("bench", flag.ExitOnError)
	flags.BoolVar(&p.video, "video", false, "a video track instead of data channels")
	closes := flags.Bool("close", false, "close each connection once it is open")
	cached := flags.Bool("cached-certificate", false, "one certificate for all connections")
	unordered := flags.Bool("unordered", false, "unordered channels")
	flags.IntVar(&p.channels, "channels", 1, "channels per connection")
	flags.IntVar(&p.messageSize, "message-size", 65536, "bytes of a message")
	flags.IntVar(&p.frameSize, "frame-size", 10300, "bytes of a frame")
	check(flags.Parse(os.Args[2:]))
	p.keep, p.newCertificate, p.ordered = !*closes, !*cached, !*unordered

	p.api = newAPI()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(err)
	certificate, err := webrtc.GenerateCertificate(key)
	check(err)
	p.certificate = *certificate

	go func() {
		lines := bufio.NewReader(p.signals)
		for {
			line, err := lines.ReadBytes('\n')
			if err != nil {
				return
			}
			var s signal
			check(json.Unmarshal(line, &s))
			p.onSignal(s)
		}
	}()
	p.tell(`{"event":"ready"}`)
	commands := bufio.NewScanner(os.Stdin)
	for commands.Scan() {
		p.onCommand(strings.Fields(commands.Text()))
	}
}
