// Pion's DTLS on a UDP socket; see ../README.md.
package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/pion/dtls/v4"
	"github.com/pion/dtls/v4/pkg/crypto/ciphersuite"
	"github.com/pion/dtls/v4/pkg/crypto/elliptic"
	"github.com/pion/dtls/v4/pkg/crypto/selfsign"
	"github.com/pion/dtls/v4/pkg/protocol"
)

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func options(certificate tls.Certificate, version protocol.Version, mtu int, cid int, suite uint, psk, hybrid, rrc bool) []dtls.Option {
	all := []dtls.Option{
		dtls.WithInsecureSkipVerify(true),
		dtls.WithMinVersion(version),
		dtls.WithMaxVersion(version),
		dtls.WithMTU(mtu),
		dtls.WithSRTPProtectionProfiles(dtls.SRTP_AEAD_AES_128_GCM),
		dtls.WithFlightInterval(50 * time.Millisecond),
		dtls.WithExtendedMasterSecret(dtls.RequireExtendedMasterSecret),
	}
	if suite != 0 {
		all = append(all, dtls.WithCipherSuites(ciphersuite.ID(suite)))
	}
	if !psk {
		all = append(all, dtls.WithCertificates(certificate))
	} else {
		key := dtls.PSK{Identity: []byte("kaon"), Key: bytes.Repeat([]byte{0x5a}, 16)}
		all = append(all,
			dtls.WithPSK(func() ([]dtls.PSK, error) { return []dtls.PSK{key}, nil },
				func(identities [][]byte) (*dtls.PSK, error) {
					if len(identities) == 1 && bytes.Equal(identities[0], key.Identity) {
						return &key, nil
					}
					return nil, nil
				}))
	}
	if hybrid {
		all = append(all, dtls.WithEllipticCurves(elliptic.X25519MLKEM768))
	}
	if cid >= 0 {
		// Over a path that is not ICE's this would let an attacker point the data at somebody else.
		policy := dtls.CIDPathMigrationUnsafe
		if rrc {
			policy = dtls.CIDPathMigrationRRC
		}
		all = append(all, dtls.WithConnectionID(dtls.RandomCIDGenerator(cid), policy))
	}
	return all
}

func connect(role string, socket net.PacketConn, peer net.Addr, psk bool, common []dtls.Option) (*dtls.Conn, error) {
	if role == "client" {
		var all []dtls.ClientOption
		for _, option := range common {
			all = append(all, option)
		}
		return dtls.Client(socket, peer, all...)
	}
	all := []dtls.ServerOption{dtls.WithInsecureSkipVerifyHello(true)}
	if !psk {
		all = append(all, dtls.WithClientAuth(dtls.RequireAnyClientCert))
	}
	for _, option := range common {
		all = append(all, option)
	}
	return dtls.Server(socket, peer, all...)
}

// Sends the text until it comes back.
func ask(connection *dtls.Conn, text string) error {
	buffer := make([]byte, 2000)
	for attempt := 0; attempt < 200; attempt++ {
		if _, err := connection.Write([]byte(text)); err != nil {
			return err
		}
		if err := connection.SetReadDeadline(time.Now().Add(100 * time.Millisecond)); err != nil {
			return err
		}
		n, err := connection.Read(buffer)
		if err != nil {
			continue
		}
		if string(buffer[:n]) == text {
			return nil
		}
	}
	return fmt.Errorf("no echo")
}

// Sends back what comes, until "bye" has come and then nothing for a second: the client asks until it has its echo.
func echo(connection *dtls.Conn) error {
	buffer := make([]byte, 2000)
	for over := false; ; {
		wait := time.Minute
		if over {
			wait = time.Second
		}
		if err := connection.SetReadDeadline(time.Now().Add(wait)); err != nil {
			return err
		}
		n, err := connection.Read(buffer)
		if err != nil && over {
			return nil
		}
		if err != nil {
			return err
		}
		over = over || string(buffer[:n]) == "bye"
		if _, err := connection.Write(buffer[:n]); err != nil {
			return err
		}
	}
}

func main() {
	role := flag.String("role", "client", "client or server")
	port := flag.Int("port", 0, "own UDP port")
	to := flag.Int("to", 0, "the peer's UDP port")
	version := flag.String("version", "1.3", "1.2 or 1.3")
	mtu := flag.Int("mtu", 1200, "largest datagram")
	updates := flag.Int("updates", 0, "so many KeyUpdates, each followed by an echo")
	cid := flag.Int("cid", -1, "size of the own connection id; none if negative")
	suite := flag.Uint("suite", 0, "cipher suite of 1.2")
	key := flag.String("key", "", "ecdsa or rsa, of a certificate; with a suite and none, there is a pre-shared key")
	hybrid := flag.Bool("hybrid", false, "X25519MLKEM768 and nothing else")
	rrc := flag.Bool("rrc", false, "follow the peer to another address only if it answers there")
	flag.Parse()
	wanted := protocol.Version1_3
	if *version == "1.2" {
		wanted = protocol.Version1_2
	}
	loopback := net.IPv4(127, 0, 0, 1)
	socket, err := net.ListenUDP("udp4", &net.UDPAddr{IP: loopback, Port: *port})
	check(err)
	certificate, err := selfsign.GenerateSelfSigned()
	check(err)
	if *key == "rsa" {
		private, err := rsa.GenerateKey(rand.Reader, 2048)
		check(err)
		certificate, err = selfsign.SelfSign(private)
		check(err)
	}
	psk := *suite != 0 && *key == ""
	fmt.Printf("{\"fingerprint\":\"% X\"}\n", sha256.Sum256(certificate.Certificate[0]))
	connection, err := connect(*role, socket, &net.UDPAddr{IP: loopback, Port: *to}, psk,
		options(certificate, wanted, *mtu, *cid, *suite, psk, *hybrid, *rrc))
	check(err)
	limit, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	check(connection.HandshakeContext(limit))
	state, ok := connection.ConnectionState()
	if !ok {
		check(fmt.Errorf("no connection state"))
	}
	exported, err := state.ExportKeyingMaterial("EXTRACTOR-dtls_srtp", nil, 56)
	check(err)
	profile, _ := connection.SelectedSRTPProtectionProfile()
	for i := 0; i < *updates; i++ {
		check(connection.UpdateKeys(limit, dtls.KeyUpdateOptions{RequestPeerUpdate: true}))
		check(ask(connection, fmt.Sprint("update ", i)))
	}
	if *role == "client" {
		check(ask(connection, "bye"))
	} else {
		check(echo(connection))
	}
	line, err := json.Marshal(map[string]any{
		"version": *version, "suite": fmt.Sprintf("%04x", uint16(state.CipherSuiteID)),
		"profile": uint16(profile), "exported": hex.EncodeToString(exported),
	})
	check(err)
	fmt.Println(string(line))
}
