"""The drawing of docs/images/longpath.svg: throughput over round-trip time and loss, from results/tunnel.json. tables.py writes it."""

import math

PEERS = (("kaon", "Kaon", "#0b6e99"), ("tcp", "TCP CUBIC (Linux)", "#767676"), ("pion", "Pion", "#c2410c"))
LOSSES, RTTS = ("0", "0.1", "1"), ("20", "100", "300")
# Pixels; the axis of a panel goes over so many decades of Mbit/s from LEAST on.
WIDTH, HEIGHT, LEFT, TOP, PANEL, GAP, FLOOR = 860, 330, 60, 62, 230, 30, 270
LEAST, DECADES = 0.1, 3
STYLE = "<style>text{font:12px sans-serif;fill:#333}.title{font-weight:bold}.grid{stroke:#ddd}</style>"


def y_of(mbit):
    return FLOOR - (FLOOR - TOP) * math.log10(max(mbit, LEAST) / LEAST) / DECADES


def x_of(panel, index):
    return LEFT + panel * (PANEL + GAP) + 35 + index * (PANEL - 70) / (len(RTTS) - 1)


def text(x, y, words, anchor="middle", more=""):
    return f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}"{more}>{words}</text>'


def panel(number, loss, rate, values):
    left = LEFT + number * (PANEL + GAP)
    out = [text(left + PANEL / 2, TOP - 10, f"{loss} % of packets lost", more=' class="title"')]
    for decade in range(DECADES + 1):
        y = y_of(LEAST * 10**decade)
        out.append(f'<line class="grid" x1="{left}" y1="{y:.1f}" x2="{left + PANEL}" y2="{y:.1f}"/>')
        if number == 0:
            out.append(text(left - 8, y + 4, f"{LEAST * 10**decade:g}", "end"))
    out += [text(x_of(number, index), FLOOR + 18, f"{rtt} ms") for index, rtt in enumerate(RTTS)]
    for peer, _, colour in PEERS:
        points = [(x_of(number, index), y_of(values[peer, rtt, loss] * rate)) for index, rtt in enumerate(RTTS)
                  if (peer, rtt, loss) in values]
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        out.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
        out += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>' for x, y in points]
    return out


def draw(result):
    """The SVG of what ./bench tunnel has measured behind a deep queue."""
    rate = result["settings"]["rate_mbit"]
    values = {(row["peer"], rtt, loss): row["value"] for row in result["rows"] for rtt in RTTS for loss in LOSSES
              if row["metric"] == f"{rtt}ms_loss{loss}_deep_utilisation"}
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}">', STYLE,
           f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
           text(LEFT, 22, f"Payload in Mbit/s over round-trip time, {rate} Mbit/s, one transfer", "start", ' class="title"')]
    for number, loss in enumerate(LOSSES):
        out += panel(number, loss, rate, values)
    for index, (_, name, colour) in enumerate(PEERS):
        x = LEFT + index * 190
        out.append(f'<line x1="{x}" y1="{HEIGHT - 16}" x2="{x + 24}" y2="{HEIGHT - 16}" stroke="{colour}" stroke-width="3"/>')
        out.append(text(x + 30, HEIGHT - 12, name, "start"))
    return "\n".join([*out, "</svg>"]) + "\n"
