"""How results of cases are judged. Each function yields a sentence for each thing that is wrong."""

import struct
import subprocess

import samples

TONE_HZ = 440  # of testdata/media/opus.ogg
# Mean difference of brightness between a picture and what a lossy encoder made of it.
CLOSE = 12


def data(case, stack, results):
    sizes = [int(size) for size in case.options["sizes"].split(",")]
    burst = case.options["burst"]
    told = {"messages": 2 * len(sizes) + burst, "bytes": 2 * sum(sizes) + 1000 * burst}
    channel = {"label": case.options["label"], "protocol": case.options.get("protocol", ""),
               "ordered": bool(case.options.get("ordered", 1)),
               "maxRetransmits": case.options.get("max-retransmits")}
    for role, expected in (("offerer", told), ("answerer", {**told, **channel})):
        untold = stack.untold if results["stack"] == role else frozenset()
        for name in expected.keys() - untold:
            if results[role].get(name) != expected[name]:
                yield f"the {role} tells {name} {results[role].get(name)!r}, not {expected[name]!r}"


def textroom(case, stack, results):
    if results["answerer"].get("heard") != "hello":
        yield f"the room sent back {results['answerer']!r}"


def media(case, stack, results):
    name = case.sample
    for role in ("offerer", "answerer"):
        result, here = results[role], role == results["stack"]
        if here and (stack.media[name].echoes or not stack.media[name].receives):
            continue
        if not here and not stack.media[name].sends:
            continue
        if not here and stack.media[name].encodes:
            faults = encoded_by_them(name, result)
        elif result.get("form") == "encoded":
            faults = in_sequence(result["received"], samples.marks(name), case.frames, gaps=False)
        elif result.get("form") == "pictures":
            faults = in_sequence(result["received"], [samples.mark(p) for p in samples.pictures(name)], case.frames,
                                 gaps=True)
        else:
            faults = tone(result)
        yield from (f"at the {role}: {fault}" for fault in faults)


def in_sequence(received, sent, wanted, gaps):
    """`received` must be a part of `sent` repeated for ever, without gaps unless they are allowed."""
    if len(received) < wanted:
        yield f"{len(received)} frames, not {wanted}"
        return
    try:
        places = [sent.index(mark) for mark in received]
    except ValueError:
        strange = [mark not in sent for mark in received]
        yield f"{sum(strange)} of {len(received)} frames are not as they were sent, the first is number {strange.index(True)}"
        return
    steps = [(after - before) % len(sent) for before, after in zip(places, places[1:])]
    # Paused on the way, a player repeats no frame and skips few.
    odd = [step for step in steps if step != 1 and not (gaps and 0 < step < len(sent) / 2)]
    if odd:
        yield f"frames out of order: steps {steps}"


def encoded_by_them(name, result):
    """What their encoder made of our pictures must decode to something close to them."""
    header = b"DKIF" + struct.pack("<HH4sHHIIII", 0, 32, b"VP80", samples.WIDTH, samples.HEIGHT, 30, 1, len(result["frames"]), 0)
    frames = [bytes.fromhex(frame) for frame in result["frames"]]
    file = header + b"".join(struct.pack("<IQ", len(frame), i) + frame for i, frame in enumerate(frames))
    done = subprocess.run(["ffmpeg", "-v", "error", "-f", "ivf", "-i", "-", "-f", "rawvideo", "-pix_fmt", "yuv420p", "-"],
                          input=file, capture_output=True)
    luma = samples.WIDTH * samples.HEIGHT
    pictures = [done.stdout[at:at + luma] for at in range(0, len(done.stdout), samples.PICTURE)]
    if done.stderr or len(pictures) != len(frames):
        yield f"{len(pictures)} pictures out of {len(frames)} frames: {done.stderr.decode(errors='replace')[:200]}"
        return
    sent = samples.pictures(name)
    nearest = [min((difference(picture, one), at) for at, one in enumerate(sent)) for picture in pictures]
    if far := [round(distance, 1) for distance, _ in nearest if distance > CLOSE]:
        yield f"{len(far)} of {len(pictures)} pictures look like none that was sent: {far[:5]}"
    if len({at for _, at in nearest}) < len(sent) // 2:
        yield "the pictures do not move"


def difference(a, b):
    """Of every eighth pixel's brightness, on average."""
    pairs = list(zip(a[::8], b[::8]))
    return sum(abs(x - y) for x, y in pairs) / len(pairs)


def tone(result):
    if abs(result["toneHz"] - TONE_HZ) > 5:
        yield f"a tone of {result['toneHz']:.0f} Hz, not {TONE_HZ}"
