// Pion as a peer; see ../README.md.
package main

import (
	"fmt"
	"os"
)

func main() {
	options := parseOptions(os.Args[1:])
	lines := newLines()
	start, known := cases[options.text("case", "")]
	if !known {
		refuse("there is no case '%s'; there are: %s", options.text("case", ""), caseNames())
	}
	running, err := start(&context{lines: lines, options: options})
	if err != nil {
		lines.error(fmt.Sprintf("the case did not start: %v", err))
		os.Exit(1)
	}
	for {
		line, more := lines.read()
		if !more || line.Stop {
			break
		}
		running.handle(line)
	}
	running.close()
}
