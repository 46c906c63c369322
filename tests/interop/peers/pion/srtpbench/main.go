// What protecting and unprotecting an RTP packet costs Pion: "srtpbench SECONDS" prints nanoseconds of CPU per packet as one JSON object,
// by the names of ./bench micro.
package main

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"syscall"
	"time"

	"github.com/pion/srtp/v3"
)

const (
	payload = 1200
	// Packets between two looks at the clock; the receiver's are made while it does not count.
	batch = 4096
)

var profiles = map[string]srtp.ProtectionProfile{
	"aes128_gcm":        srtp.ProtectionProfileAeadAes128Gcm,
	"aes256_gcm":        srtp.ProtectionProfileAeadAes256Gcm,
	"aes128_cm_sha1_80": srtp.ProtectionProfileAes128CmHmacSha1_80,
	"aes128_cm_sha1_32": srtp.ProtectionProfileAes128CmHmacSha1_32,
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// Of all threads, the collector's too.
func cpuTime() time.Duration {
	var usage syscall.Rusage
	check(syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func contexts(profile srtp.ProtectionProfile) (*srtp.Context, *srtp.Context) {
	keySize, err := profile.KeyLen()
	check(err)
	saltSize, err := profile.SaltLen()
	check(err)
	secret := make([]byte, keySize+saltSize)
	for i := range secret {
		secret[i] = byte(i)
	}
	sender, err := srtp.CreateContext(secret[:keySize], secret[keySize:], profile)
	check(err)
	receiver, err := srtp.CreateContext(secret[:keySize], secret[keySize:], profile, srtp.SRTPReplayProtection(1024))
	check(err)
	return sender, receiver
}

func measure(profile srtp.ProtectionProfile, seconds float64) (protect, unprotect float64) {
	sender, receiver := contexts(profile)
	packet := make([]byte, 12+payload)
	packet[0], packet[1] = 0x80, 96
	sealed := make([][]byte, batch)
	for i := range sealed {
		sealed[i] = make([]byte, 0, len(packet)+32)
	}
	opened := make([]byte, 0, len(packet))
	var sealing, opening time.Duration
	count, sequence := 0, uint16(0)
	for sealing.Seconds() < seconds || opening.Seconds() < seconds {
		begin := cpuTime()
		for i := range sealed {
			binary.BigEndian.PutUint16(packet[2:], sequence)
			sequence++
			var err error
			sealed[i], err = sender.EncryptRTP(sealed[i][:0], packet, nil)
			check(err)
		}
		middle := cpuTime()
		for i := range sealed {
			var err error
			opened, err = receiver.DecryptRTP(opened[:0], sealed[i], nil)
			check(err)
		}
		sealing += middle - begin
		opening += cpuTime() - middle
		count += batch
	}
	return float64(sealing) / float64(count), float64(opening) / float64(count)
}

func main() {
	seconds, err := strconv.ParseFloat(os.Args[1], 64)
	check(err)
	rows := map[string]float64{}
	for name, profile := range profiles {
		rows["protect_"+name], rows["unprotect_"+name] = measure(profile, seconds)
	}
	check(json.NewEncoder(os.Stdout).Encode(rows))
}
