package main

import (
	"slices"
	"strings"
)

// What a case is made from.
type context struct {
	lines   *lines
	options options
}

// A running case. handle gets every line of the input but "stop".
type runningCase interface {
	handle(line inputLine)
	close()
}

// The cases that this peer knows. One more is a file with its function, and a line here.
var cases = map[string]func(*context) (runningCase, error){
	"call":  startCall,
	"data":  startData,
	"media": startMedia,
}

func caseNames() string {
	names := []string{}
	for name := range cases {
		names = append(names, name)
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}
