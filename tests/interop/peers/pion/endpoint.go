package main

import (
	"fmt"

	"github.com/pion/webrtc/v4"
)

// A connection whose descriptions and candidates travel as lines.
type endpoint struct {
	lines *lines
	id    int
	pc    *webrtc.PeerConnection
	early []webrtc.ICECandidateInit
	// Called on a goroutine of Pion's; may be nil.
	onConnected func()
}

// newEndpoint makes one with its number among the connections of the process. A nil api means Pion's defaults.
func newEndpoint(l *lines, id int, api *webrtc.API, configuration webrtc.Configuration) (*endpoint, error) {
	if api == nil {
		api = webrtc.NewAPI()
	}
	pc, err := api.NewPeerConnection(configuration)
	if err != nil {
		return nil, err
	}
	e := &endpoint{lines: l, id: id, pc: pc}
	pc.OnICECandidate(func(candidate *webrtc.ICECandidate) {
		if candidate == nil {
			e.tell(object{"candidate": nil})
		} else {
			e.tell(object{"candidate": candidate.ToJSON()})
		}
	})
	pc.OnConnectionStateChange(func(state webrtc.PeerConnectionState) {
		switch state {
		case webrtc.PeerConnectionStateConnected:
			e.tell(object{"event": "connected"})
			if e.onConnected != nil {
				e.onConnected()
			}
		case webrtc.PeerConnectionStateFailed:
			e.tell(object{"error": "the connection failed"})
		}
	})
	return e, nil
}

func (e *endpoint) tell(line object) {
	if e.id != 0 {
		line["id"] = e.id
	}
	e.lines.write(line)
}

func (e *endpoint) fail(what string, err error) {
	e.tell(object{"error": fmt.Sprintf("%s: %v", what, err)})
}

func (e *endpoint) offer() {
	if offer, err := e.pc.CreateOffer(nil); err != nil {
		e.fail("no offer", err)
	} else {
		e.setLocal(offer)
	}
}

func (e *endpoint) setLocal(description webrtc.SessionDescription) {
	// Told first: candidates come as soon as it is set.
	e.tell(object{"description": description})
	if err := e.pc.SetLocalDescription(description); err != nil {
		e.fail("the local description was refused", err)
	}
}

// handle takes a description or a candidate; an offer is answered.
func (e *endpoint) handle(line inputLine) {
	if line.Description != nil {
		e.handleDescription(*line.Description)
	} else if line.Candidate != nil {
		// Pion wants the description first.
		if e.pc.RemoteDescription() == nil {
			e.early = append(e.early, *line.Candidate)
		} else {
			e.addCandidate(*line.Candidate)
		}
	}
}

func (e *endpoint) handleDescription(description webrtc.SessionDescription) {
	if err := e.pc.SetRemoteDescription(description); err != nil {
		e.fail("the remote description was refused", err)
		return
	}
	for _, candidate := range e.early {
		e.addCandidate(candidate)
	}
	e.early = nil
	if description.Type != webrtc.SDPTypeOffer {
		return
	}
	if answer, err := e.pc.CreateAnswer(nil); err != nil {
		e.fail("no answer", err)
	} else {
		e.setLocal(answer)
	}
}

func (e *endpoint) addCandidate(candidate webrtc.ICECandidateInit) {
	if err := e.pc.AddICECandidate(candidate); err != nil {
		e.fail("a candidate was refused", err)
	}
}

func (e *endpoint) close() { _ = e.pc.Close() }
