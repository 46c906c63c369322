"""docs/interop.md: what the last whole run showed."""

import time

from cases import CASES
from stacks import KNOWN_FAULTS, ROOT, STACKS

PAGE = ROOT / "docs/interop.md"

HEAD = """# Interoperability

`./test interop` sets Kaon against other WebRTC stacks, each in a program of its own around the unchanged package
([how](../tests/interop/peers/README.md)). This page is written by `tests/interop/run.py --full`.

Run on {date}. A cell says how it went where the other stack made the offer / where it answered: **ok**, **fault** (of the other stack,
listed below), **FAILS**, – (it cannot, or was not there).

| Stack | Version | {cases} |
|---|---|{line}|
"""

LEGEND = """
| Case | What is shown |
|---|---|
| `data` | a reliable channel; text and binary of 1 to 65,535 bytes, then a burst of 100 messages, echoed and compared; closed by a stream reset that the other side sees |
| `data-label` | a label that is not ASCII |
| `data-partial` | unordered, no retransmission, with a protocol; the other side must see it so |
| `data-sizes` | text and binary of no byte, of each size around what fits one packet and two, and up to 262,144 bytes, echoed and compared; with Pion and werift over eight kinds of channel: ordered and not, reliable, with no or three retransmissions, with a second |
| `data-loss` | the same of a few sizes and a burst, over a path that loses a tenth of all packets; with Pion and werift also unordered, without the burst |
| `textroom` | Janus' textroom plugin offers the channel and sends back what is said |
| `vp8`, `h264`, `opus` | recorded frames both ways in real time; every frame that arrives must be one that was sent, byte for byte and in order |
| `cryptex` | the same of VP8, where both sides insist on encrypted header extensions (RFC 9335) and drop packets that have them in the clear |

How media is judged where a stack does not give or take encoded frames:

- libwebrtc encodes and decodes by itself. What it encodes must decode (by ffmpeg) to pictures close to those it was given, and to a tone
  of the same frequency; what it decodes must be close to ours in the same way, since it smooths pictures after decoding.
- aiortc sends frames as they are and decodes what it receives: pictures must be exactly those that ffmpeg makes of the same frames.
- Janus sends back what it gets (echotest), or sends what its streaming plugin is fed with; it tells nothing of its own.
- libdatachannel and werift give packets; payloads are put together by the test's program. libdatachannel does not tell whether a channel
  that the other side made is ordered.
"""


def cell(report, stack, case):
    words = []
    for role in ("offerer", "answerer"):
        verdict = report.verdicts.get(f"{stack.name}.{case.name}.{role}")
        known = (stack.name, case.name, role) in KNOWN_FAULTS
        words.append({"ok": "fault" if known else "ok", "fail": "**FAILS**"}.get(verdict, "–"))
    return " / ".join(words)


def write(report):
    text = HEAD.format(date=time.strftime("%Y-%m-%d"), cases=" | ".join(case.name for case in CASES),
                       line="|".join("---" for _ in CASES))
    for stack in STACKS:
        cells = " | ".join(cell(report, stack, case) for case in CASES)
        text += f"| {stack.title} | {stack.version()} | {cells} |\n"
    text += LEGEND + "\n## Faults of others\n\nThey make a case fail, and the run says so when one does no longer.\n\n"
    titles = {stack.name: stack.title for stack in STACKS}
    for (stack, case, role), why in KNOWN_FAULTS.items():
        text += f"- {titles[stack]}, `{case}` as {role}: {why}.\n"
    text += "\nThese are worked around, so that the rest can be tried:\n\n"
    for stack in STACKS:
        for sentence in stack.around:
            text += f"- {stack.title}: {sentence}\n"
    PAGE.write_text(text, encoding="utf-8")
