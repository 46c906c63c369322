package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// The command line of a peer: --role, --case, and whatever the case knows.
type options map[string]string

func refuse(format string, arguments ...any) {
	fmt.Fprintf(os.Stderr, "pion peer: "+format+"\n", arguments...)
	os.Exit(2)
}

func parseOptions(words []string) options {
	parsed := options{}
	for i := 0; i < len(words); i += 2 {
		if !strings.HasPrefix(words[i], "--") || i+1 == len(words) {
			refuse("'%s' is no option with a value", words[i])
		}
		parsed[words[i][2:]] = words[i+1]
	}
	if role := parsed["role"]; role != "offerer" && role != "answerer" {
		refuse("--role is offerer or answerer, not '%s'", role)
	}
	return parsed
}

func (o options) offerer() bool { return o["role"] == "offerer" }

func (o options) text(name, otherwise string) string {
	if value, given := o[name]; given {
		return value
	}
	return otherwise
}

func (o options) number(name string, otherwise int) int {
	value, given := o[name]
	if !given {
		return otherwise
	}
	number, err := strconv.Atoi(value)
	if err != nil {
		refuse("--%s wants a number, not %s", name, value)
	}
	return number
}
