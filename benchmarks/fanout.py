"""One publisher, many viewers, through the server."""

from base import Bench, Unavailable


class Fanout(Bench):
    name = "fanout"

    def settings(self, arguments):
        return {"viewers": arguments.count or 500, "seconds": arguments.seconds, "runs": arguments.runs}

    def summary(self, arguments):
        return f"one publisher, {self.settings(arguments)['viewers']} viewers through the server"

    def run(self, peer, arguments):
        raise Unavailable("not written")
