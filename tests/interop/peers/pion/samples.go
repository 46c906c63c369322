package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"time"
)

// The encoded frames that a media case sends and expects.
type samples struct {
	Codec     string   `json:"codec"`
	ClockRate uint32   `json:"clockRate"`
	Channels  uint16   `json:"channels"`
	Fmtp      string   `json:"fmtp"`
	Duration  uint32   `json:"duration"` // of each frame, in units of the RTP clock
	Hex       []string `json:"frames"`
	frames    [][]byte
}

func loadSamples(path string) (*samples, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	s := &samples{}
	if err := json.Unmarshal(text, s); err != nil {
		return nil, err
	}
	for _, digits := range s.Hex {
		frame, err := hex.DecodeString(digits)
		if err != nil {
			return nil, err
		}
		s.frames = append(s.frames, frame)
	}
	return s, nil
}

func (s *samples) frame(number int) []byte { return s.frames[number%len(s.frames)] }

func (s *samples) interval() time.Duration {
	return time.Second * time.Duration(s.Duration) / time.Duration(s.ClockRate)
}

func (s *samples) kind() string {
	if s.Channels > 0 {
		return "audio"
	}
	return "video"
}

func (s *samples) mime() string { return s.kind() + "/" + s.Codec }

// markOf gives the first 16 digits of its SHA-256: how peers tell which frame they got.
func markOf(frame []byte) string {
	sum := sha256.Sum256(frame)
	return hex.EncodeToString(sum[:8])
}
