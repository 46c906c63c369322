"""How results of cases are judged. Each function yields a sentence for each thing that is wrong."""

import samples

TONE_HZ = 440  # of testdata/media/opus.ogg
# Mean difference of brightness between a picture and what a lossy encoder made of it.
CLOSE = 12


def data(case, stack, results):
    options = case.options_with(stack)
    sizes = [int(size) for size in options["sizes"].split(",")]
    burst = options["burst"]
    told = {"messages": 2 * len(sizes) + burst, "bytes": 2 * sum(sizes) + 1000 * burst}
    channel = {"label": options["label"], "protocol": options.get("protocol", ""), "ordered": bool(options.get("ordered", 1)),
               "maxRetransmits": options.get("max-retransmits")}
    for role, expected in (("offerer", told), ("answerer", {**told, **channel})):
        untold = stack.untold if results["stack"] == role else stack.mistold if case.kinds else frozenset()
        for name in expected.keys() - untold:
            if results[role].get(name) != expected[name]:
                yield f"the {role} tells {name} {results[role].get(name)!r}, not {expected[name]!r}"


def textroom(case, stack, results):
    if results["answerer"].get("heard") != "hello":
        yield f"the room sent back {results['answerer']!r}"


def cryptex(case, stack, results):
    for role in ("offerer", "answerer"):
        if results[role].get("headersEncrypted") is not True:
            yield f"the {role} has not agreed on encrypted header extensions"
    yield from media(case, stack, results)


def media(case, stack, results):
    name = case.sample
    for role in ("offerer", "answerer"):
        result, here = results[role], role == results["stack"]
        if here and (stack.media[name].echoes or not stack.media[name].receives):
            continue
        if not here and not stack.media[name].sends:
            continue
        if stack.media[name].encodes:
            faults = decoded(name, result, here)
        elif result.get("form") == "encoded":
            faults = in_sequence(result["received"], samples.marks(name), case.frames, gaps=False)
        elif result.get("form") == "pictures":
            faults = in_sequence(result["received"], [samples.mark(p) for p in samples.pictures(name)], case.frames,
                                 gaps=True)
        else:
            faults = tone(result["toneHz"])
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


def decoded(name, result, here):
    """Of a stack that encodes and decodes by itself: pictures or a tone, its own or what ffmpeg makes of its frames."""
    if name not in samples.VIDEOS:
        yield from tone(result["toneHz"] if here else samples.tone(samples.decode_opus(frames_of(result))))
        return
    pictures = frames_of(result) if here else samples.decode_vp8(frames_of(result))
    if len(pictures) != len(result["frames"]):
        yield f"{len(pictures)} pictures out of {len(result['frames'])} frames"
        return
    luma = samples.WIDTH * samples.HEIGHT
    sent = samples.pictures(name)
    nearest = [min((difference(picture[:luma], one[:luma]), at) for at, one in enumerate(sent)) for picture in pictures]
    if far := [round(distance, 1) for distance, _ in nearest if distance > CLOSE]:
        yield f"{len(far)} of {len(pictures)} pictures look like none that was sent: {far[:5]}"
    if len({at for _, at in nearest}) < len(sent) // 2:
        yield "the pictures do not move"


def frames_of(result):
    return [bytes.fromhex(frame) for frame in result["frames"]]


def difference(a, b):
    """Of every eighth pixel's brightness, on average."""
    pairs = list(zip(a[::8], b[::8]))
    return sum(abs(x - y) for x, y in pairs) / len(pairs)


def tone(hz):
    if abs(hz - TONE_HZ) > 5:
        yield f"a tone of {hz:.0f} Hz, not {TONE_HZ}"
