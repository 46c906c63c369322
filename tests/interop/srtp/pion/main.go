// Pion's SRTP on standard input and output; see ../README.md.
package main

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/pion/srtp/v3"
)

// As large as Kaon's, so that both refuse the same packets as too old.
const (
	rtpWindow  = 1024
	rtcpWindow = 128
)

type session struct {
	sender, receiver *srtp.Context
	begun            []string
}

// Begins afresh, as Pion is told of RFC 4771 when a context is made.
func (s *session) carryROC(words []string) error {
	rate, err := strconv.ParseUint(words[1], 10, 16)
	if err != nil {
		return err
	}
	mode := srtp.RCCMode2
	if s.begun[0] == "7" || s.begun[0] == "8" {
		mode = srtp.RCCMode3
	}
	return s.begin(s.begun, srtp.RolloverCounterCarryingTransform(mode, uint16(rate)))
}

func (s *session) begin(words []string, more ...srtp.ContextOption) error {
	profile, err := strconv.Atoi(words[0])
	if err != nil {
		return err
	}
	key, err := hex.DecodeString(words[1])
	if err != nil {
		return err
	}
	salt, err := hex.DecodeString(words[2])
	if err != nil {
		return err
	}
	mode := map[string]srtp.CryptexMode{
		"off": srtp.CryptexModeDisabled, "on": srtp.CryptexModeEnabled, "required": srtp.CryptexModeRequired,
	}[words[3]]
	options := []srtp.ContextOption{
		srtp.SRTPReplayProtection(rtpWindow), srtp.SRTCPReplayProtection(rtcpWindow), srtp.Cryptex(mode),
	}
	s.begun = words
	options = append(options, more...)
	if len(words) > 4 {
		mki, err := hex.DecodeString(words[4])
		if err != nil {
			return err
		}
		options = append(options, srtp.MasterKeyIndicator(mki))
	}
	create := func() (*srtp.Context, error) {
		return srtp.CreateContext(key, salt, srtp.ProtectionProfile(profile), options...)
	}
	if s.sender, err = create(); err != nil {
		return err
	}
	s.receiver, err = create()
	return err
}

// Adds a master key, or chooses the one to seal with.
func (s *session) change(words []string) error {
	var values [][]byte
	for _, word := range words[1:] {
		value, err := hex.DecodeString(word)
		if err != nil {
			return err
		}
		values = append(values, value)
	}
	if words[0] == "use" {
		return s.sender.SetSendMKI(values[0])
	}
	if len(values) != 3 {
		return fmt.Errorf("identifier, key and salt")
	}
	if err := s.sender.AddCipherForMKI(values[0], values[1], values[2]); err != nil {
		return err
	}
	return s.receiver.AddCipherForMKI(values[0], values[1], values[2])
}

func (s *session) convert(seal, rtcp bool, packet []byte) ([]byte, error) {
	switch {
	case seal && rtcp:
		return s.sender.EncryptRTCP(nil, packet, nil)
	case seal:
		return s.sender.EncryptRTP(nil, packet, nil)
	case rtcp:
		return s.receiver.DecryptRTCP(nil, packet, nil)
	default:
		return s.receiver.DecryptRTP(nil, packet, nil)
	}
}

func (s *session) obey(line string) (string, error) {
	words := strings.Fields(line)
	if len(words) >= 5 && words[0] == "session" {
		return "ok", s.begin(words[1:])
	}
	if len(words) < 2 || s.sender == nil {
		return "", fmt.Errorf("unknown words or no session")
	}
	if words[0] == "roc" {
		return "ok", s.carryROC(words)
	}
	if words[0] == "key" || words[0] == "use" {
		return "ok", s.change(words)
	}
	var packet []byte
	if len(words) == 3 {
		var err error
		if packet, err = hex.DecodeString(words[2]); err != nil {
			return "", err
		}
	}
	out, err := s.convert(words[0] == "seal", words[1] == "rtcp", packet)
	return "ok " + hex.EncodeToString(out), err
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	out := bufio.NewWriter(os.Stdout)
	var s session
	for lines.Scan() {
		answer, err := s.obey(lines.Text())
		if err != nil {
			answer = "error " + strings.ReplaceAll(err.Error(), "\n", " ")
		}
		fmt.Fprintln(out, answer)
		out.Flush()
	}
}
