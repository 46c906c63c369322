package main

import (
	"bufio"
	"encoding/json"
	"os"
	"sync"

	"github.com/pion/webrtc/v4"
)

type object map[string]any

// A line of the input.
type inputLine struct {
	ID          int                        `json:"id"`
	Description *webrtc.SessionDescription `json:"description"`
	Candidate   *webrtc.ICECandidateInit   `json:"candidate"`
	Ask         string                     `json:"ask"`
	Stop        bool                       `json:"stop"`
}

// JSON objects as lines on standard input and output: how peers are spoken to. May be written to from any goroutine.
type lines struct {
	mutex sync.Mutex
	input *bufio.Reader
}

func newLines() *lines { return &lines{input: bufio.NewReader(os.Stdin)} }

func (l *lines) write(line object) {
	text, err := json.Marshal(line)
	if err != nil {
		panic(err)
	}
	l.mutex.Lock()
	defer l.mutex.Unlock()
	_, _ = os.Stdout.Write(append(text, '\n'))
}

func (l *lines) event(name string)     { l.write(object{"event": name}) }
func (l *lines) result(result object)  { l.write(object{"result": result}) }
func (l *lines) error(sentence string) { l.write(object{"error": sentence}) }

// read waits for the next line; false at the end of the input.
func (l *lines) read() (inputLine, bool) {
	for {
		text, err := l.input.ReadBytes('\n')
		if err != nil {
			return inputLine{}, false
		}
		var line inputLine
		if err := json.Unmarshal(text, &line); err == nil {
			return line, true
		}
		l.error("not a JSON object: " + string(text))
	}
}
