"""The command line of a peer, and its lines on standard input and output; see ../README.md."""

import json
import sys
import threading


def parse_options():
    words = sys.argv[1:]
    options = {}
    for name, value in zip(words[::2], words[1::2]):
        options[name.removeprefix("--")] = value
    if len(words) % 2 or not all(word.startswith("--") for word in words[::2]):
        refuse("options are pairs of --NAME VALUE")
    if options.get("role") not in ("offerer", "answerer"):
        refuse("--role is offerer or answerer")
    return options


def refuse(why):
    print(f"{sys.argv[0]}: {why}", file=sys.stderr)
    sys.exit(2)


class Lines:
    """May be written to from any thread."""

    def __init__(self):
        self.lock = threading.Lock()

    def write(self, line):
        with self.lock:
            print(json.dumps(line), flush=True)

    def event(self, name):
        self.write({"event": name})

    def result(self, result):
        self.write({"result": result})

    def error(self, sentence):
        self.write({"error": sentence})

    def read(self, handle):
        """Starts a thread that calls `handle` with each line, and at the end with {"stop": True}."""
        def run():
            for text in sys.stdin:
                handle(json.loads(text))
            handle({"stop": True})
        threading.Thread(target=run, daemon=True).start()
