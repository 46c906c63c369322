"""What is tried between Kaon and every peer, and how it is judged.

A case is run twice per peer: Kaon offers and the peer answers, then the other way round. Its options go to both programs
(peers/README.md); `judge` gets the results that offerer and answerer told and gives a sentence for each thing that is wrong.
"""

from dataclasses import dataclass, field
from typing import Callable


@dataclass(frozen=True)
class Case:
    name: str
    options: dict
    judge: Callable
    # What the stack must be able to do, by the names in stacks.py.
    needs: frozenset = field(default_factory=frozenset)


def judge_data(case, offerer, answerer):
    sizes = [int(size) for size in case.options["sizes"].split(",")]
    burst = case.options["burst"]
    expected = {"messages": 2 * len(sizes) + burst, "bytes": 2 * sum(sizes) + 1000 * burst}
    for who, result in (("offerer", offerer), ("answerer", answerer)):
        for name, value in expected.items():
            if result.get(name) != value:
                yield f"the {who} counts {result.get(name)} {name}, not {value}"
    channel = {"label": case.options["label"], "protocol": case.options.get("protocol", ""),
               "ordered": bool(case.options.get("ordered", 1)),
               "maxRetransmits": case.options.get("max-retransmits")}
    for name, value in channel.items():
        # A stack that does not tell is not judged by what it cannot tell.
        if name in answerer and answerer[name] != value:
            yield f"the channel's {name} arrived as {answerer[name]!r}, not {value!r}"


CASES = [
    Case("data", {"case": "data", "label": "Kanal λ", "sizes": "1,1200,1201,16384,65535", "burst": 100}, judge_data,
         frozenset({"data"})),
    Case("data-partial", {"case": "data", "label": "lossy", "protocol": "kaon.interop", "ordered": 0, "max-retransmits": 0,
                          "sizes": "1,1000", "burst": 0}, judge_data, frozenset({"data"})),
]
