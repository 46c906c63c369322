"""One data channel between Kaon and a browser, in both directions, beside the browser with itself."""

from base import Bench, Pair, Unavailable, bulk
from peers import BROWSERS, PEERS

WARM_UP = 2.0


class Browser(Bench):
    name = "browser"

    def settings(self, arguments):
        return {"message_size": arguments.message_size, "seconds": arguments.seconds, "runs": arguments.runs}

    def summary(self, arguments):
        return (f"one ordered reliable channel to and from a browser, messages of {arguments.message_size} bytes; a browser's column is "
                "that browser with another of its kind")

    def run(self, peer, arguments):
        if peer.name in BROWSERS:
            figures = measure(peer, peer, arguments)
            return {f"{way}_{peer.name}_{metric}": value for way in ("to", "from") for metric, value in figures.items()}
        rows = {}
        # Those whose own column is asked for.
        for name in (name for name in BROWSERS if name in arguments.peers and not PEERS[name].missing()):
            for way, sides in (("to", (peer, PEERS[name])), ("from", (PEERS[name], peer))):
                rows |= {f"{way}_{name}_{metric}": value for metric, value in measure(*sides, arguments).items()}
        if not rows:
            raise Unavailable(f"no browser to measure it with: one of {', '.join(BROWSERS)}")
        return rows


def measure(sender, receiver, arguments):
    with Pair(sender, "--message-size", str(arguments.message_size), answerer=receiver) as pair:
        return bulk(pair, WARM_UP, arguments.seconds)
