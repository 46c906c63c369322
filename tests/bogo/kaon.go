// What Kaon asks of the runner; see README.md. run.py lays this file beside the runner's own and calls adaptToKaon()
// when all cases are made.
package runner

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The parts of config.json that the runner itself does not read: pattern or flag, and why.
type kaonConfig struct {
	DisabledTests map[string]string
	// Cases that want what Kaon does not have, by a flag of the shim.
	DisabledFlags map[string]string
	// Cases whose failure the shim notices without a word to its peer.
	SilentTests map[string]string
}

func readKaonConfig() (config kaonConfig) {
	encoded, err := os.ReadFile(*shimConfigFile)
	if err == nil {
		err = json.Unmarshal(encoded, &config)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %s\n", *shimConfigFile, err)
		os.Exit(1)
	}
	return config
}

// Which patterns match a case; counts them.
func matching(patterns map[string]string, name string, used map[string]int) bool {
	found := false
	for pattern := range patterns {
		matched, err := filepath.Match(pattern, name)
		if err != nil {
			panic(err)
		}
		if matched {
			used[pattern]++
			found = true
		}
	}
	return found
}

// All flags of a case that do not only come of how it is run, whichever of its connections they are for.
func flagsOf(test *testCase) []string {
	flags := append([]string{}, test.flags...)
	for _, credential := range append(test.shimCredentials, test.resumeShimCredentials...) {
		flags = appendCredentialFlags(flags, credential, "", true)
	}
	if test.shimCertificate != nil {
		flags = appendCredentialFlags(flags, test.shimCertificate, "", false)
	}
	if test.resumeSession {
		flags = append(flags, "-resume-count")
	}
	if test.exportTrafficSecrets {
		flags = append(flags, "-export-traffic-secrets")
	}
	if test.testTLSUnique {
		flags = append(flags, "-tls-unique")
	}
	for i := range flags {
		for _, prefix := range []string{"-on-initial", "-on-resume", "-on-retry"} {
			flags[i] = strings.TrimPrefix(flags[i], prefix)
		}
	}
	return flags
}

// Both sides authenticate, as in WebRTC, and the shim is told the fingerprint of the runner's certificate.
func authenticateBothSides(test *testCase) {
	if test.config.Credential == nil {
		test.config.Credential = &rsaCertificate
	}
	if test.testType == clientTest && test.config.ClientAuth == NoClientCert {
		test.config.ClientAuth = RequireAnyClientCert
	}
	if certificates := test.config.Credential.Certificate; len(certificates) != 0 {
		digest := sha256.Sum256(certificates[0])
		test.flags = append(append([]string{}, test.flags...), "-kaon-peer-sha256", hex.EncodeToString(digest[:]))
	}
}

// Cases that are about something else than the resumption that follows run without it.
func leaveOutResumption(test *testCase) {
	if test.resumeConfig == nil && !test.expectResumeRejected && !test.earlyData {
		test.resumeSession = false
		test.resumeRenewedSession = false
		test.resumeExpectations = nil
	}
}

// Cases about ACKs use ML-KEM for the sake of large flights, which not every libcrypto has.
func replaceMLKEM(test *testCase) {
	if !strings.HasPrefix(test.name, "DTLS-Retransmit-") {
		return
	}
	if slices.Contains(test.config.CurvePreferences, CurveX25519MLKEM768) {
		test.config.CurvePreferences = []CurveID{CurveP384}
	}
	for i, flag := range test.flags {
		if flag == strconv.Itoa(int(CurveX25519MLKEM768)) {
			test.flags[i] = strconv.Itoa(int(CurveP384))
		}
	}
}

// Of CBC Kaon has what came first.
func replaceCBC(test *testCase) {
	if test.name == "MTU-DTLS12-AES-CBC" {
		test.config.CipherSuites = []uint16{TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA}
	}
}

// Kaon gives up after a time, where BoringSSL does after so many timeouts.
func limitHandshake(test *testCase) {
	if strings.HasPrefix(test.name, "DTLS-Retransmit-Timeout-") {
		schedule := timeouts
		if strings.HasSuffix(test.name, "-Short") {
			schedule = shortTimeouts
		}
		var sum time.Duration
		for _, timeout := range schedule {
			sum += timeout
		}
		test.flags = append(test.flags, "-kaon-handshake-timeout-ms", strconv.Itoa(int(sum.Milliseconds())))
	}
}

func adaptToKaon() {
	config := readKaonConfig()
	used := make(map[string]int)
	var kept []testCase
	disabled, byFlag := 0, 0
	for _, test := range testCases {
		if test.protocol != dtls {
			continue
		}
		authenticateBothSides(&test)
		leaveOutResumption(&test)
		replaceMLKEM(&test)
		replaceCBC(&test)
		limitHandshake(&test)
		// RFC 9147 §4: the first ClientHello may come in a record of version 1.0. Kaon's does not.
		test.config.Bugs.ExpectInitialRecordVersion = 0
		if matching(config.SilentTests, test.name, used) {
			test.expectedLocalError = ""
		}
		flagged := false
		for _, flag := range flagsOf(&test) {
			if config.DisabledFlags[flag] != "" {
				used[flag]++
				flagged = true
			}
		}
		if flagged {
			byFlag++
			continue
		}
		if matching(config.DisabledTests, test.name, used) {
			disabled++
		}
		kept = append(kept, test)
	}
	fmt.Printf("kaon: %d of %d cases of DTLS are disabled by a flag, %d by name\n", byFlag, len(kept)+byFlag, disabled)
	for _, patterns := range []map[string]string{config.DisabledTests, config.DisabledFlags, config.SilentTests} {
		for pattern := range patterns {
			if used[pattern] == 0 {
				fmt.Printf("kaon: %s in the configuration matches no case\n", pattern)
			}
		}
	}
	testCases = kept
}
