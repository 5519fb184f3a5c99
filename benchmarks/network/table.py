#!/usr/bin/env python3
"""What benchmarks/network.sh needs besides a network: data of the right shapes, and the arithmetic from runs to a table.

    table.py data FOLDER                                   random text and pictures; kept when they are there
    table.py add RESULTS SETTING MODEL METHOD I RUN        appends one run's figures to RESULTS, a line of JSON each
    table.py write RESULTS FOLDER                          results.json, table.md and speedup.svg

Symbols: of a local step's seconds, e are spent in exchanges (worker 0 sends, receives, waits) and c = t − e in computing. The work
is the same in every run of a model, but processors that others use too make c vary from run to run; so runs are compared at the
median c₀ of all. b bytes that a host sends for one mean take m = b / R at line rate R. The speed-up over naive-clip is
(c₀ + e_naive) / (c₀ + e), the ideal one (c₀ + m) / (c₀ + m / I), and m / I / e of the line rate is used.
"""
import json
import math
import os
import random
import statistics
import struct
import sys

# Samples that one step of one host takes, and of the data set whose shape it has: tokens of Penn Treebank, images of CIFAR-10.
EPOCH = {"awd-lstm": (5 * 20, 929589), "resnet-20": (16, 50000)}


def write_npy(path, kind, shape, content):
    header = repr({"descr": kind, "fortran_order": False, "shape": shape})
    header += " " * (-(len(header) + 11) % 64) + "\n"
    with open(path, "wb") as f:
        f.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + content)


def make_data(folder):
    """10,000 words in 80,000 tokens, in parts that cost next to nothing to evaluate; 2,000 pictures of 32 × 32."""
    draw = random.Random(1)
    if os.path.exists(os.path.join(folder, "arrays", "test_labels.npy")):
        return
    for name in ("text", "arrays"):
        os.makedirs(os.path.join(folder, name), exist_ok=True)
    for split, lines in (("valid", 2), ("test", 2), ("train", 4000)):
        words = list(range(9998)) + [draw.randrange(9998) for _ in range(lines * 20 - 9998)]
        if split != "train":
            words = words[: lines * 20]
        draw.shuffle(words)
        with open(os.path.join(folder, "text", split + ".txt"), "w") as f:
            for k in range(lines):
                f.write(" ".join("w%d" % w for w in words[20 * k : 20 * k + 20]) + "\n")
    for split, count in (("train", 2000), ("test", 16)):
        base = os.path.join(folder, "arrays", split)
        write_npy(base + "_images.npy", "|u1", (count, 3, 32, 32), draw.randbytes(count * 3 * 32 * 32))
        write_npy(base + "_labels.npy", "<i8", (count,), b"".join(struct.pack("<q", k % 10) for k in range(count)))


def add(results, setting, model, method, interval, run):
    record = {"setting": json.loads(setting), "model": model, "method": method, "interval": int(interval)}
    if method == "relay":
        record["relay"] = json.loads(run)
    else:
        with open(os.path.join(run, "metrics.jsonl")) as f:
            rounds = [line for line in map(json.loads, f) if line["event"] == "round"]
        with open(os.path.join(run, "summary.json")) as f:
            summary = json.load(f)
        if summary["backend"] != "gloo":
            sys.exit("table.py: the workers must have used the network, not " + summary["backend"])
        record["parameters"] = summary["parameters"]
        first, last = rounds[0], rounds[-1]  # the first round also fills caches and opens the connections' windows
        record["rounds"] = len(rounds) - 1
        record["steps"] = last["iteration"] - first["iteration"]
        record["seconds"] = last["seconds"] - first["seconds"]
        record["exchange_seconds"] = sum(line["exchange_seconds"] for line in rounds[1:])
        record["bytes"] = last["bytes_sent"] - first["bytes_sent"]
        print("   %s, %s, I = %d: %.4f s a step, %.4f s in exchanges, %.2f MB" % (
            model, method, record["interval"], record["seconds"] / record["steps"],
            record["exchange_seconds"] / record["steps"], record["bytes"] / record["steps"] / 1e6), flush=True)
    with open(results, "a") as f:
        f.write(json.dumps(record) + "\n")


def key_of(setting):
    """Scenarios differ by what was set, not by what was measured."""
    return json.dumps({k: v for k, v in setting.items() if k != "path"}, sort_keys=True)


def read(path):
    """(setting, model) → {(method, I): record}; runs that were repeated are pooled, the path is the last one measured."""
    groups = {}
    with open(path) as f:
        for record in map(json.loads, f):
            if record["method"] == "relay":
                continue
            group = groups.setdefault((key_of(record["setting"]), record["model"]), {})
            before = group.setdefault((record["method"], record["interval"]), record)
            if before is not record:
                for name in ("rounds", "steps", "seconds", "exchange_seconds", "bytes"):
                    before[name] += record[name]
                before["setting"] = record["setting"]
    return groups


def analyse(runs):
    """One scenario and model. None while its baseline is missing."""
    naive = runs.get(("naive-clip", 1))
    if not naive:
        return None
    setting, model, hosts = naive["setting"], naive["model"], naive["setting"]["hosts"]
    bytes_a_mean = naive["bytes"] / naive["rounds"]
    expected = 2 * (hosts - 1) / hosts * 4 * naive["parameters"]
    if not 0.99 < bytes_a_mean / expected < 1.03:
        sys.exit("table.py: a mean of %d parameters sent %.0f bytes" % (naive["parameters"], bytes_a_mean))
    per_step, epoch = EPOCH[model]
    m = bytes_a_mean * 8e-6 / setting["rate_mbit"] if setting["rate_mbit"] else 0
    seconds = {key: (run["seconds"] / run["steps"], run["exchange_seconds"] / run["steps"]) for key, run in runs.items()}
    c = statistics.median(t - e for t, e in seconds.values())
    base = c + seconds["naive-clip", 1][1]
    rows = []
    for method, interval in sorted(runs, key=lambda k: (k[0] != "naive-clip", k[1])):
        run, (t, e) = runs[method, interval], seconds[method, interval]
        row = {"method": method, "interval": interval, "seconds_a_step": t, "exchange_seconds_a_step": e,
               "seconds_an_epoch": (c + e) * epoch / (per_step * hosts), "bytes_a_step": run["bytes"] / run["steps"],
               "communication_share": e / (c + e), "line_share": m / interval / e,
               "speedup": base / (c + e), "ideal_speedup": (c + m) / (c + m / interval)}
        row["share_of_ideal"] = row["speedup"] / row["ideal_speedup"]
        rows.append(row)
    return {"setting": setting, "model": model, "parameters": naive["parameters"], "bytes_a_mean": bytes_a_mean,
            "line_seconds_a_mean": m, "compute_seconds_a_step": c, "rows": rows}


def title(result):
    s = result["setting"]
    extra = "".join(", %s %g%s" % (name, s[key], unit) for name, key, unit in
                    (("jitter ±", "jitter_ms", " ms"), ("loss", "loss", "")) if s[key])
    return "%s, %d hosts, %g Mbit/s, %g ms%s" % (result["model"], s["hosts"], s["rate_mbit"], s["rtt_ms"], extra)


def markdown(results):
    lines = []
    for r in results:
        path = r["setting"]["path"]
        lines += ["**%s.** %d parameters; for a mean a host sends %.2f MB, which takes %.3f s at line rate; computing a step takes "
                  "%.3f s. The path as measured: round trip %.2f ms, one TCP stream %.0f Mbit/s of payload." %
                  (title(r), r["parameters"], r["bytes_a_mean"] / 1e6, r["line_seconds_a_mean"], r["compute_seconds_a_step"],
                   path["rtt_ms_median"],
                   path["mbit"]), "",
                  "| method | I | computing, s | exchanging, s | share | s an epoch | MB a step | line rate used | speed-up | ideal "
                  "| reached |", "|---|---|---|---|---|---|---|---|---|---|---|"]
        for row in r["rows"]:
            e = row["exchange_seconds_a_step"]
            lines.append("| %s | %d | %.3f | %.4f | %.0f %% | %.0f | %.2f | %.0f %% | %.2f | %.2f | %.0f %% |" % (
                row["method"], row["interval"], row["seconds_a_step"] - e, e, 100 * row["communication_share"],
                row["seconds_an_epoch"], row["bytes_a_step"] / 1e6, 100 * row["line_share"], row["speedup"],
                row["ideal_speedup"], 100 * row["share_of_ideal"]))
        lines.append("")
    return "\n".join(lines)


def panel(result, x0, y0, width, height):
    """One scenario and model: speed-up over naive-clip against I, measured (line, dots) and ideal (dashes)."""
    rows = [row for row in result["rows"] if row["method"] == "celgc"]
    intervals = [row["interval"] for row in rows]
    top = 1.1 * max(max(row["speedup"], row["ideal_speedup"]) for row in rows)
    span = max(math.log2(max(intervals)), 1)

    def place(interval, speedup):
        return x0 + width * math.log2(interval) / span, y0 + height * (1 - speedup / top)

    def points(name):
        return " ".join("%.1f,%.1f" % place(row["interval"], row[name]) for row in rows)

    out = ['<text x="%d" y="%d" class="title">%s</text>' % (x0, y0 - 12, title(result))]
    tick = 10 ** math.floor(math.log10(top))
    tick = next(step for step in (tick / 5, tick / 2, tick, 2 * tick, 5 * tick) if top / step <= 6)
    for k in range(int(top / tick) + 1):
        y = place(1, k * tick)[1]
        out.append('<line x1="%d" y1="%.1f" x2="%d" y2="%.1f" class="grid"/>' % (x0, y, x0 + width, y))
        out.append('<text x="%d" y="%.1f" class="left">%g</text>' % (x0 - 6, y + 4, round(k * tick, 6)))
    for interval in intervals:
        out.append('<text x="%.1f" y="%d" class="under">%d</text>' % (place(interval, 0)[0], y0 + height + 16, interval))
    out.append('<polyline points="%s" class="ideal"/>' % points("ideal_speedup"))
    out.append('<polyline points="%s" class="measured"/>' % points("speedup"))
    out += ['<circle cx="%.1f" cy="%.1f" r="3.5"/>' % place(row["interval"], row["speedup"]) for row in rows]
    return "\n".join(out)


def picture(results):
    width, height, columns = 330, 190, 2
    results = [r for r in results if any(row["method"] == "celgc" for row in r["rows"])]
    lines = (len(results) + columns - 1) // columns
    panels = [panel(r, 50 + (k % columns) * (width + 70), 50 + k // columns * (height + 70), width, height)
              for k, r in enumerate(results)]
    total = (columns * (width + 70) + 10, lines * (height + 70) + 40)
    return """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12">
<style>.title{font-weight:bold}.grid{stroke:#ddd}.left{text-anchor:end}.under{text-anchor:middle}circle{fill:#1f77b4}
.ideal{fill:none;stroke:#777;stroke-dasharray:5 4}.measured{fill:none;stroke:#1f77b4;stroke-width:2}</style>
<rect width="100%%" height="100%%" fill="#fff"/>
%s
<text x="50" y="%d">Speed-up of celgc over naive-clip against I. Dashes: ideal, from the computing that was measured and bytes at line rate.</text>
</svg>
""" % (*total, "\n".join(panels), total[1] - 14)


def main(arguments):
    if len(arguments) == 2 and arguments[0] == "data":
        make_data(arguments[1])
    elif len(arguments) == 7 and arguments[0] == "add":
        add(*arguments[1:])
    elif len(arguments) == 3 and arguments[0] == "write":
        results = [r for r in map(analyse, read(arguments[1]).values()) if r]
        for name, text in (("results.json", json.dumps(results, indent=1) + "\n"), ("table.md", markdown(results)),
                           ("speedup.svg", picture(results) if results else "")):
            with open(os.path.join(arguments[2], name), "w") as f:
                f.write(text)
        print(markdown(results))
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
