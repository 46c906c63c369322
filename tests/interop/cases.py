"""What is tried between Kaon and every peer.

A case is run twice per peer: Kaon offers and the peer answers, then the other way round. Its options go to both programs
(peers/README.md); `judge` says what is wrong with what they told.
"""

from dataclasses import dataclass, replace
from typing import Callable

import judge
import samples
import sizes

# Of channels: reliable ones, and those that give up at once, after three retransmissions or a second. The receiving socket of some loses
# packets of larger messages even here.
KINDS = tuple({"ordered": ordered, **limit} for ordered in (1, 0)
              for limit in ({}, {"max-retransmits": 0, "sizes": sizes.around_boundaries(0, 65537)}, {"max-retransmits": 3},
                            {"max-packet-life-time": 1000}))
RELIABLE = ({}, {"ordered": 0, "burst": 0})


@dataclass(frozen=True)
class Case:
    name: str
    judge: Callable
    options: dict
    # Of media cases: the name in samples.py, and how many frames must arrive.
    sample: str = ""
    frames: int = 0

    # Over each of these kinds of channel in turn, with stacks of which that is asked.
    kinds: tuple = ()
    # A protocol that only some speak.
    special: str = ""
    # Of all packets, on the way between the two.
    loss: float = 0
    # Within which both sides must have told their result.
    seconds: int = 40
    # Run also when no words choose and the run is not a full one.
    short: bool = False

    def fits(self, stack, role):
        if role not in stack.only.get(self.name, role):
            return False
        if self.special:
            return self.special in stack.only
        return self.sample in stack.media if self.sample else stack.data

    def runs(self, stack):
        """Itself, or one for each kind of channel."""
        return [replace(self, options={**self.options, **kind}) for kind in (stack.kinds and self.kinds) or [{}]]

    def options_with(self, stack):
        """Those of both sides."""
        return {**self.options, **stack.options.get(self.name, {})}

    def options_for(self, stack, role, theirs):
        """Options of the stack's program, which has that role, or of Kaon's."""
        options = {**self.options_with(stack), **({} if theirs else stack.kaon_options.get(self.name, {}))}
        if self.sample:
            sends, receives = stack.media[self.sample].sends, stack.media[self.sample].receives_as(role)
            options["media"] = samples.sample_file(self.sample)
            options["send"], options["receive"] = (int(sends), int(receives)) if theirs else (int(receives), int(sends))
            if stack.media[self.sample].encodes:
                options["keep"] = 1
        return options


def media(name, sample, frames, short=False):
    return Case(name, judge.media, {"case": "media", "frames": frames}, sample, frames, short=short)


CASES = [
    Case("data", judge.data, {"case": "data", "label": "echo", "sizes": "1,1200,1201,16384,65535", "burst": 100},
         short=True),
    # A label is UTF-8, and its length is counted in bytes.
    Case("data-label", judge.data, {"case": "data", "label": "λ→∞", "sizes": "1", "burst": 0}),
    Case("data-partial", judge.data, {"case": "data", "label": "lossy", "protocol": "kaon.interop", "ordered": 0,
                                      "max-retransmits": 0, "sizes": "1,1000", "burst": 0}),
    # Around what fits a packet with DATA (1,163 bytes) and I-DATA (1,159), twice that, powers of two, the largest message.
    Case("data-sizes", judge.data, {"case": "data", "label": "sizes", "sizes": sizes.around_boundaries(), "burst": 0},
         kinds=KINDS, seconds=120),
    Case("data-loss", judge.data, {"case": "data", "label": "loss", "sizes": "1,1159,1160,1163,1164,16384,65535", "burst": 30},
         kinds=RELIABLE, loss=0.1, seconds=120),
    Case("textroom", judge.textroom, {"case": "textroom"}, special="textroom", short=True),
    media("vp8", "vp8", 40, short=True),
    media("h264", "h264", 40),
    media("opus", "opus", 80),
    # Both insist on encrypted header extensions (Cryptex): without a=cryptex, or with a header in the clear, nothing comes.
    Case("cryptex", judge.cryptex, {"case": "media", "frames": 40, "header-encryption": "require"}, "vp8", 40, special="cryptex"),
]
