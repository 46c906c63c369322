// Pion's ICE agents for ./bench ice and ./bench mux.
//
//	icebench serve IP CONNECTIONS      as benchmarks/ice_server.cc: connections on one UDP port, behind Pion's mux
//	icebench path RTT_MS CANDIDATES REACH   as benchmarks/sim_ice.cc, in Pion's virtual network but in real time
package main

import (
	"bufio"
	"context"
	"fmt"
	"log"
	"net"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/ice/v4"
	"github.com/pion/logging"
	"github.com/pion/transport/v5/vnet"
)

const passwordOfPeers = "passwordofthebenchsload"

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func serve(ip string, count int) {
	conn := must(net.ListenUDP("udp4", &net.UDPAddr{IP: net.ParseIP(ip)}))
	check(conn.SetReadBuffer(4 << 20))
	mux := ice.NewUDPMuxDefault(ice.UDPMuxParams{UDPConn: conn})
	var received atomic.Uint64
	out := bufio.NewWriter(os.Stdout)
	fmt.Fprintln(out, conn.LocalAddr().(*net.UDPAddr).Port)
	for i := range count {
		agent := must(ice.NewAgentWithOptions(ice.WithUDPMux(mux), ice.WithNetworkTypes([]ice.NetworkType{ice.NetworkTypeUDP4}),
			ice.WithCandidateTypes([]ice.CandidateType{ice.CandidateTypeHost}), ice.WithMulticastDNSMode(ice.MulticastDNSModeDisabled)))
		gathered := gather(agent)
		<-gathered
		ufrag, password, err := agent.GetLocalUserCredentials()
		check(err)
		fmt.Fprintln(out, ufrag, password)
		go func() {
			path := must(agent.Accept(context.Background(), fmt.Sprint("load", i), passwordOfPeers))
			buffer := make([]byte, 1500)
			for {
				if _, err := path.Read(buffer); err != nil {
					return
				}
				received.Add(1)
			}
		}()
	}
	check(out.Flush())
	for words := bufio.NewScanner(os.Stdin); words.Scan() && words.Text() != "quit"; {
		fmt.Println(received.Load())
	}
}

// Closed when the agent has all its candidates.
func gather(agent *ice.Agent) chan struct{} {
	done := make(chan struct{})
	check(agent.OnCandidate(func(candidate ice.Candidate) {
		if candidate == nil {
			close(done)
		}
	}))
	check(agent.GatherCandidates())
	return done
}

func addresses(second, count int) []string {
	var all []string
	for i := range count {
		all = append(all, fmt.Sprintf("10.%d.%d.2", second, i))
	}
	return all
}

type side struct {
	agent      *ice.Agent
	candidates []ice.Candidate
}

func newSide(network *vnet.Router, ips []string) side {
	host := must(vnet.NewNet(&vnet.NetConfig{StaticIPs: ips}))
	check(network.AddNet(host))
	agent := must(ice.NewAgentWithOptions(ice.WithNet(host), ice.WithNetworkTypes([]ice.NetworkType{ice.NetworkTypeUDP4}),
		ice.WithCandidateTypes([]ice.CandidateType{ice.CandidateTypeHost}), ice.WithMulticastDNSMode(ice.MulticastDNSModeDisabled)))
	return side{agent: agent}
}

func (s *side) learn(of *side) (string, string) {
	for _, candidate := range of.candidates {
		copied := must(ice.UnmarshalCandidate(candidate.Marshal()))
		check(s.agent.AddRemoteCandidate(copied))
	}
	ufrag, password, err := of.agent.GetLocalUserCredentials()
	check(err)
	return ufrag, password
}

// Round trips from knowing each other to a path on both sides.
func path(rtt time.Duration, count int, last bool) float64 {
	network := must(vnet.NewRouter(&vnet.RouterConfig{CIDR: "10.0.0.0/8", MinDelay: rtt / 2, LoggerFactory: logging.NewDefaultLoggerFactory()}))
	ours, theirs := addresses(1, count), addresses(2, count)
	if last {
		network.AddChunkFilter(func(chunk vnet.Chunk) bool {
			from, to := chunk.SourceAddr().(*net.UDPAddr).IP.String(), chunk.DestinationAddr().(*net.UDPAddr).IP.String()
			a, b := ours[count-1], theirs[count-1]
			return (from == a && to == b) || (from == b && to == a)
		})
	}
	a, b := newSide(network, ours), newSide(network, theirs)
	check(network.Start())
	for _, each := range []*side{&a, &b} {
		<-gather(each.agent)
		each.candidates = must(each.agent.GetLocalCandidates())
	}
	var both sync.WaitGroup
	limit, cancel := context.WithTimeout(context.Background(), 40*time.Second)
	defer cancel()
	both.Add(2)
	ufrag, password := b.learn(&a)
	go func() {
		must(b.agent.Accept(limit, ufrag, password))
		both.Done()
	}()
	time.Sleep(rtt / 2)
	start := time.Now()
	ufragB, passwordB := a.learn(&b)
	go func() {
		must(a.agent.Dial(limit, ufragB, passwordB))
		both.Done()
	}()
	both.Wait()
	return float64(time.Since(start)) / float64(rtt)
}

func main() {
	arguments := os.Args[1:]
	if len(arguments) == 3 && arguments[0] == "serve" {
		serve(arguments[1], must(strconv.Atoi(arguments[2])))
	} else if len(arguments) == 4 && arguments[0] == "path" {
		rtt := time.Duration(must(strconv.Atoi(arguments[1]))) * time.Millisecond
		fmt.Printf("%.3f\n", path(rtt, must(strconv.Atoi(arguments[2])), arguments[3] == "last"))
	} else {
		log.Fatal("icebench serve IP CONNECTIONS | path RTT_MS CANDIDATES any|last")
	}
}
