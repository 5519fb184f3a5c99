#!/usr/bin/env python3
"""Draws docs/demo.svg, the picture of README.md: training loss against what one client has sent, for the two runs of ./demo.sh,
as far as both have come.

Usage: scripts/draw-demo.py runs/demo-1/celgc runs/demo-1/naive-clip > docs/demo.svg"""

import json
import pathlib
import sys

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 760, 360, 60, 20, 46, 48
SMOOTH = 5  # rounds a point is the mean of

STYLE = """
.page { fill: #ffffff } .grid { stroke: #dfe4e8 } .text { fill: #33414d; font-size: 13px } .title { font-size: 15px; font-weight: 600 }
.a { stroke: #0069a8 } .b { stroke: #c4500a; stroke-dasharray: 6 3 } .ta { fill: #0069a8 } .tb { fill: #c4500a }
.line { fill: none; stroke-width: 2 } .name { font-size: 14px; font-weight: 600 }
@media (prefers-color-scheme: dark) {
.page { fill: #10161c } .grid { stroke: #2b3640 } .text { fill: #c3ced8 }
.a { stroke: #58b4ec } .b { stroke: #f0975a } .ta { fill: #58b4ec } .tb { fill: #f0975a }
}
"""


def curve(folder):
    """Returns (epoch, megabytes a client has sent, training loss) of each round; the loss is smoothed."""
    lines = [json.loads(line) for line in (pathlib.Path(folder) / "metrics.jsonl").read_text().splitlines()]
    rounds = [line for line in lines if line["event"] == "round"]
    points = []
    for k in range(len(rounds)):
        near = rounds[max(0, k - SMOOTH + 1):k + 1]
        loss = sum(line["train_loss"] for line in near) / len(near)
        points.append((rounds[k]["epoch"], rounds[k]["client_bytes"] / 1e6, loss))
    return points


def main():
    runs = [curve(folder) for folder in sys.argv[1:3]]
    epochs = min(run[-1][0] for run in runs)
    a, b = ([point for epoch, *point in run if epoch <= epochs] for run in runs)
    most = max(a[-1][0], b[-1][0])
    low, high = min(y for _, y in a + b), max(y for _, y in a + b)

    def place(x, y):
        return (LEFT + x / most * (WIDTH - LEFT - RIGHT), TOP + (high - y) / (high - low) * (HEIGHT - TOP - BOTTOM))

    def path(points):
        return "M" + " L".join("%.1f %.1f" % place(*p) for p in points)

    out = ['<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img" '
           "font-family=\"system-ui, 'Segoe UI', 'DejaVu Sans', sans-serif\">" % (WIDTH, HEIGHT, WIDTH, HEIGHT),
           "<title>Training loss against megabytes sent by one client: celgc and naive-clip</title>",
           "<style>" + STYLE + "</style>", '<rect class="page" width="%d" height="%d"/>' % (WIDTH, HEIGHT),
           '<text class="text title" x="%d" y="24">Training loss against what one client has sent (%.1f epochs each)</text>'
           % (LEFT, epochs)]
    for y in range(int(low) + 1, int(high) + 1):
        out.append('<path class="grid" d="M%d %.1f H%d"/>' % (LEFT, place(0, y)[1], WIDTH - RIGHT))
        out.append('<text class="text" x="%d" y="%.1f" text-anchor="end">%d</text>' % (LEFT - 8, place(0, y)[1] + 4, y))
    step = next(s for s in (50, 100, 200, 250, 500, 1000) if most / s <= 6)
    for x in range(0, int(most) + 1, step):
        out.append('<text class="text" x="%.1f" y="%d" text-anchor="middle">%d</text>' % (place(x, low)[0], HEIGHT - 26, x))
    out.append('<text class="text" x="%d" y="%d" text-anchor="end">MB sent by one client</text>' % (WIDTH - RIGHT, HEIGHT - 8))
    for points, letter, name in ((b, "b", "naive-clip: a message every step"), (a, "a", "celgc: a message every 4 steps")):
        out.append('<path class="line %s" d="%s"/>' % (letter, path(points)))
        x, y = place(*points[-1] if letter == "a" else points[len(points) // 3])
        x, y = (x + 8, y + 4) if letter == "a" else (x, y - 12)
        out.append('<text class="name t%s" x="%.1f" y="%.1f">%s</text>' % (letter, x, y, name))
    print("\n".join(out + ["</svg>"]))


if __name__ == "__main__":
    main()
