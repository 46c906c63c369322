package main

import (
	"time"

	"github.com/pion/webrtc/v4"
	"github.com/pion/webrtc/v4/pkg/media"
)

// What NewPeerConnection uses by itself: default codecs and interceptors (NACK, reports, transport feedback).
func newAPI() *webrtc.API { return webrtc.NewAPI() }

func mediaSample(data []byte, duration time.Duration) media.Sample {
	return media.Sample{Data: data, Duration: duration}
}
