"""Case "data": one channel, every message comes back. A channel here has send(str or bytes) and close()."""

BURST_SIZE = 1000


def make_message(number, size, binary):
    if binary:
        return bytes((number + i) & 255 for i in range(size))
    return "".join(chr(ord("a") + (number + i) % 26) for i in range(size))


class Offerer:
    def __init__(self, lines, options, channel):
        self.lines, self.channel = lines, channel
        self.messages = []
        for size in options.get("sizes", "1,1000").split(","):
            for binary in (False, True):
                self.messages.append(make_message(len(self.messages), int(size), binary))
        self.one_by_one = len(self.messages)
        for _ in range(int(options.get("burst", 0))):
            self.messages.append(make_message(len(self.messages), BURST_SIZE, True))
        self.sent = self.received = self.bytes = 0
        self.over = False

    @staticmethod
    def channel_options(options):
        """Label, protocol, ordered, and the limit of retransmissions or None."""
        limit = options.get("max-retransmits")
        return (options.get("label", "echo"), options.get("protocol", ""), options.get("ordered", "1") != "0",
                None if limit is None else int(limit))

    def on_open(self):
        self.lines.event("open")
        self.send_more()

    def send_more(self):
        while self.sent < len(self.messages):
            self.sent += 1
            self.channel.send(self.messages[self.sent - 1])
            if self.sent <= self.one_by_one:
                return

    def on_message(self, message):
        if self.received == self.sent:
            self.lines.error("a message came that was not sent")
            return
        expected = self.messages[self.received]
        if message != expected:
            self.lines.error(f"message {self.received} of {len(expected)} bytes came back as another of {len(message)}")
            return
        self.received += 1
        self.bytes += len(message)
        if self.received == len(self.messages):
            self.over = True
            self.lines.result({"messages": self.received, "bytes": self.bytes})
            self.channel.close()
        elif self.received == self.sent:
            self.send_more()

    def on_close(self):
        if not self.over:
            self.lines.error("the channel was closed before the last message came back")


class Answerer:
    """`properties` are those of the channel as the answerer learned them."""

    def __init__(self, lines, channel, properties):
        self.lines, self.channel, self.properties = lines, channel, properties
        self.messages = self.bytes = 0

    def on_message(self, message):
        self.messages += 1
        self.bytes += len(message)
        self.channel.send(message)

    def on_close(self):
        self.lines.result({"messages": self.messages, "bytes": self.bytes, **self.properties})
