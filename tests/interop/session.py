"""Two peers as processes, with the descriptions and candidates of each carried to the other."""

import asyncio
import contextlib
import json
import time

READ_LIMIT = 16 << 20


class Fault(Exception):
    """The case failed; the text says how."""


class Peer:
    """A process that speaks the lines of peers/README.md."""

    def __init__(self, name, process):
        self.name = name
        self.process = process
        self.events = []
        self.news = asyncio.Event()
        self.notes = bytearray()
        self.result = asyncio.get_running_loop().create_future()

    @classmethod
    async def start(cls, name, command, options):
        words = [str(word) for word in command]
        for option, value in options.items():
            words += [f"--{option}", str(value)]
        process = await asyncio.create_subprocess_exec(
            *words, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            limit=READ_LIMIT)
        return cls(name, process)

    async def read(self, relay):
        """Until the end of its output. `relay` gets each line that is for the other side."""
        async for text in self.process.stdout:
            try:
                line = json.loads(text)
            except ValueError:
                self.end(Fault(f"{self.name} wrote what is no JSON: {text[:200]!r}"))
                continue
            if "description" in line or "candidate" in line:
                relay(line)
            elif "result" in line and not self.result.done():
                self.result.set_result(line["result"])
            elif "error" in line:
                self.end(Fault(f"{self.name}: {line['error']}"))
            elif "event" in line:
                self.events.append({"at": time.monotonic(), **line})
                self.news.set()
        self.end(Fault(f"{self.name} ended early, with {await self.process.wait()}"))

    def end(self, fault):
        if not self.result.done():
            self.result.set_exception(fault)
            self.result.exception()  # looked at, even if the other side's fault is told
            self.news.set()

    async def event(self, name, start=0):
        """The first event of that name among those after the first `start`; its time is "at". Fails when the peer does."""
        while True:
            for event in self.events[start:]:
                if event["event"] == name:
                    return event
            if self.result.done():
                self.result.result()
            self.news.clear()
            await self.news.wait()

    async def ask(self, what):
        """The event of that name that the peer answers with."""
        start = len(self.events)
        self.write({"ask": what})
        return await self.event(what, start)

    async def read_notes(self):
        while chunk := await self.process.stderr.read(4096):
            self.notes = (self.notes + chunk)[-4000:]

    def write(self, line):
        if not self.process.stdin.is_closing():
            self.process.stdin.write(json.dumps(line).encode() + b"\n")

    async def stop(self):
        """Asks it to end, and ends it if it does not."""
        self.write({"stop": True})
        try:
            await asyncio.wait_for(self.process.wait(), 3)
        except asyncio.TimeoutError:
            with contextlib.suppress(ProcessLookupError):  # it has just ended
                self.process.kill()
            await self.process.wait()

    def story(self):
        notes = self.notes.decode(errors="replace").strip()
        return f"{self.name}: " + ", ".join([event["event"] for event in self.events] or ["no event"]) + (f"\n{notes}" if notes else "")


async def results_of(offerer, answerer):
    return await asyncio.gather(offerer.result, answerer.result)


def unchanged(sender, line):
    return line


async def run_pair(commands, options, seconds, script=results_of, change=unchanged):
    """What `script` returns, which gets the offerer and the answerer; without one the results of both. Commands and options
    are those of the offerer, then those of the answerer. `change` gets each peer's lines for the other one, and returns
    what arrives there, None for nothing."""
    # The answerer first, so that nothing of the offerer's waits long.
    answerer = await Peer.start("answerer", commands[1], {"role": "answerer", **options[1]})
    offerer = await Peer.start("offerer", commands[0], {"role": "offerer", **options[0]})
    peers = (offerer, answerer)
    readers = [asyncio.create_task(task) for task in (
        offerer.read(lambda line: pass_on(answerer, change(offerer, line))),
        answerer.read(lambda line: pass_on(offerer, change(answerer, line))), offerer.read_notes(), answerer.read_notes())]
    try:
        return await asyncio.wait_for(script(offerer, answerer), seconds)
    except asyncio.TimeoutError:
        late = [peer.name for peer in peers if peer.result.cancelled() or not peer.result.done()]
        raise Fault(f"no result of the {' nor the '.join(late)} after {seconds} s\n{stories(peers)}") from None
    except Fault as fault:
        await asyncio.sleep(0.2)  # what the other one says about it
        raise Fault(f"{fault}\n{stories(peers)}") from None
    finally:
        await asyncio.gather(*(peer.stop() for peer in peers))
        for reader in readers:
            reader.cancel()
        await asyncio.gather(*readers, return_exceptions=True)


def pass_on(peer, line):
    if line is not None:
        peer.write(line)


def stories(peers):
    return "\n".join(peer.story() for peer in peers)
