"""Measures tacet and its peers in turn, prints a table, and keeps everything as JSON; docs/reference/performance.md tells the method.
cases.py says what is measured, files.py writes the data, flops.py counts operations."""

import argparse
import datetime
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import tempfile

import cases
import files

HERE = pathlib.Path(__file__).resolve().parent
PAGE = HERE.parent / "docs" / "reference" / "performance.md"
TACET = os.environ.get("TACET_COMMAND", str(HERE.parent / "build" / "release" / "tacet"))
LIMIT = 300  # seconds for any one program
INTERVAL = 4  # local steps in a round of the recipes
KEEP_LARGE = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(16 << 30), "MALLOC_ARENA_MAX": "1"}
SYSTEMS = {"default": {}, "large": KEEP_LARGE}


def environment(more):
    plain = {k: v for k, v in os.environ.items() if not k.startswith(("MALLOC_", "OMP_", "GLIBC_TUNABLES"))}
    return dict(plain, **more)


# tacet --------------------------------------------------------------------------------------------------------------------

def run_tacet(case, shape, folder, rounds):
    """One run: round lines of metrics.jsonl, summary, resources of its processes."""
    out = tempfile.mkdtemp(dir=folder.parent)
    keys = {"data.root": folder, "schedule.rounds": rounds, "run.threads": case.threads}
    keys.update({key: shape[option] for key, option in case.keys.items()})
    if case.recipe == "rnn-classifier":
        keys["data.vectors"] = folder / "vectors.txt"
    if case.recipe == "resnet-56":
        keys["model.name"] = "resnet-%d" % shape["depth"]
    if case.recipe == "logistic-many-clients":
        keys["run.eval_every"] = shape["eval_every"] * shape["participating"] / shape["clients"]
    elif case.workers == 1:
        keys["clients.count"] = 1
    if case.dtype != "f32":
        keys["run.dtype"] = case.dtype
    command = [TACET, "train", HERE / "recipes" / (case.recipe + ".toml"), "--quiet", "--out", out, "--workers", case.workers]
    for key, value in keys.items():
        command += ["--set", "%s=%s" % (key, json.dumps(str(value)) if isinstance(value, pathlib.Path) else value)]
    child = subprocess.Popen([str(word) for word in command], env=environment({}), stdout=subprocess.DEVNULL,
                             stderr=subprocess.PIPE, text=True)
    errors = child.stderr.read()
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise RuntimeError("tacet ended with %d: %s" % (child.returncode, errors.strip()))
    lines = [json.loads(line) for line in (pathlib.Path(out) / "metrics.jsonl").read_text().splitlines()]
    summary = json.loads((pathlib.Path(out) / "summary.json").read_text())
    return [line for line in lines if line["event"] == "round"], summary, usage


def measure_tacet(case, shape, folder, rounds):
    """Seconds of a step of a worker, the first two rounds left out; or of the rounds after the first of a whole run."""
    if case.whole_run:
        _, first, _ = run_tacet(case, shape, folder, 1)
        _, summary, usage = run_tacet(case, shape, folder, shape["rounds"] + 1)
        seconds = summary["seconds"] - first["seconds"]
    else:
        lines, summary, usage = run_tacet(case, shape, folder, rounds)
        times = [b["seconds"] - a["seconds"] for a, b in zip(lines[1:], lines[2:])]
        seconds = statistics.median(times) / INTERVAL
    return {"seconds": seconds, "minor_faults": summary["page_faults_per_step"], "peak_bytes": usage.ru_maxrss * 1024,
            "parameters": summary["parameters"], "versions": summary.get("versions")}


# peers --------------------------------------------------------------------------------------------------------------------

def measure_peer(case, shape, folder, placement, memory, seconds):
    """All processes of a placement at once, their warm-ups outside of the measured time. Means over the processes."""
    count, threads, more = placement
    options = dict(shape, threads=threads, seconds=seconds, **more)
    if case.whole_run:
        options["data"] = folder
    command = [sys.executable, "-B", HERE / "peers" / (case.peer + ".py"), "--wait"]
    for name, value in options.items():
        command += ["--" + name.replace("_", "-"), value]
    command = [str(word) for word in command]
    running = [subprocess.Popen(command, env=environment(SYSTEMS[memory]), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                text=True) for _ in range(count)]
    try:
        for child in running:
            if child.stdout.readline() != "ready\n":
                raise RuntimeError(case.peer + " failed")
        for child in running:
            child.stdin.write("\n")
            child.stdin.flush()
        lines = [json.loads(child.communicate(timeout=LIMIT)[0]) for child in running]
    finally:
        for child in running:
            if child.poll() is None:
                child.kill()
                child.wait()
    mean = {key: statistics.mean(line[key] for line in lines) for key in ("seconds", "minor_faults", "peak_bytes")}
    return dict(mean, parameters=lines[0]["parameters"], torch=lines[0]["torch"],
                placement="%d × %d threads%s" % (count, threads, ", channels last" if more else ""),
                machine_seconds=mean["seconds"] / count)


# one case -----------------------------------------------------------------------------------------------------------------

def operations(case, shape):
    """Of a step of one worker; None where flops.py has no count."""
    if not case.operations:
        return None
    wanted = case.operations.__code__.co_varnames[:case.operations.__code__.co_argcount]
    return case.operations(**{name: shape[name] for name in wanted})


def f32_peak(case, folder):
    """GF/s of all cores that the case uses (at most two), also for bf16. A virtual machine's cores change their speed with
    what its neighbours do: a share is to the peak just before or after, the larger one."""
    return measure_peak(folder)["f32_gflops"][min(2, case.workers * case.threads) - 1]


def measure(case, options, folder):
    """tacet, peer, tacet, peer, … The first repetition tries all the peer's placements, later ones its best."""
    shape = dict(case.shape, **(case.tiny if options.smoke else {}))
    rounds = 4 if options.smoke or options.quick else 5
    data = files.write(folder / case.name, case.recipe, shape, rounds * INTERVAL)
    placements = {memory: case.placements[:1] if options.smoke else case.placements for memory in SYSTEMS}
    ours, theirs, shares = [], {memory: [] for memory in SYSTEMS}, []
    work = operations(case, shape)
    for _ in range(options.repeat):
        before = f32_peak(case, folder)
        ours.append(measure_tacet(case, shape, data, rounds))
        if work and before:
            done = work * case.workers / ours[-1]["seconds"] / 1e9
            shares.append(done / max(before, f32_peak(case, folder)))
        for memory in ["default"] if options.smoke else SYSTEMS:
            tried = [(measure_peer(case, shape, data, p, memory, options.seconds), p) for p in placements[memory]]
            best, where = min(tried, key=lambda pair: pair[0]["machine_seconds"])
            theirs[memory].append(best)
            placements[memory] = [where]
    if options.smoke:  # half the time: the second environment differs in variables only
        theirs["large"] = theirs["default"]
    counts = {run["parameters"] for run in ours + theirs["default"] + theirs["large"]}
    assert len(counts) == 1, "%s: tacet and its peer differ in parameters: %s" % (case.name, counts)
    spread = 1 if case.whole_run else case.workers  # a whole run's clients share the workers
    tacet = statistics.median(run["seconds"] for run in ours) / spread
    peer = {memory: statistics.median(run["machine_seconds"] for run in runs) for memory, runs in theirs.items()}
    return {"case": case.name, "dtype": case.dtype, "workers": case.workers, "threads": case.threads, "shape": shape,
            "operations": work, "share": statistics.median(shares) if shares else None, "parameters": counts.pop(),
            "tacet": tacet, "peer": peer["default"],
            "peer_large": peer["large"], "ratio": peer["default"] / tacet, "ratio_large": peer["large"] / tacet,
            "minor_faults": statistics.median(run["minor_faults"] for run in ours),
            "peak_bytes": max(run["peak_bytes"] for run in ours), "wanted_ratio": case.ratio, "wanted_share": case.share,
            "tacet_runs": ours, "peer_runs": theirs}


def knows_bf16():
    ran = subprocess.run([TACET, "train", HERE / "recipes" / "logistic-many-clients.toml", "--dry-run", "--set",
                          "run.dtype=bf16"], capture_output=True, text=True, timeout=LIMIT)
    return not ("run.dtype" in ran.stderr and "is not a key" in ran.stderr)


# machine and results --------------------------------------------------------------------------------------------------------

def build_peak(folder):
    program = folder / "peak"
    subprocess.run([os.environ.get("CXX", "c++"), "-std=c++20", "-O3", "-march=native", "-pthread", HERE / "peak.cc", "-o",
                    program], check=True, timeout=LIMIT)
    return program


def measure_peak(folder):
    done = subprocess.run([folder / "peak"], check=True, capture_output=True, text=True, timeout=LIMIT)
    return json.loads(done.stdout)


def sync_benchmark():
    """What sync_benchmark prints, None where it is not built beside tacet (-DTACET_BENCHMARKS=ON)."""
    program = pathlib.Path(TACET).resolve().parent / "benchmarks" / "sync_benchmark"
    if not program.exists():
        return None
    return subprocess.run([program], capture_output=True, text=True, timeout=LIMIT, check=True).stdout.strip()


def machine():
    info = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.split(":")[1].strip() for line in info if line.startswith("model name")), platform.machine())
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {"processor": model, "cores": os.cpu_count(), "memory_gib": round(memory / 2**30),
            "kernel": platform.release(), "libc": " ".join(platform.libc_ver()), "python": platform.python_version()}


def judge(result):
    enough = result["share"] is None or result["share"] >= result["wanted_share"]
    result["reached"] = result["ratio"] >= result["wanted_ratio"] and enough


def duration(seconds):
    return "%.3g s" % seconds if seconds >= 1 else "%.3g ms" % (1000 * seconds)


def table(results):
    lines = ["| case | tacet | peer | peer, large blocks kept | ratio | (kept) | share of f32 peak | faults a step | memory |"
             " to reach | reached |", "|---|---|---|---|---|---|---|---|---|---|---|"]
    for r in results:
        share = "–" if r["share"] is None else "%.0f %%" % (100 * r["share"])
        goal = "≥ %g×" % r["wanted_ratio"] if r["wanted_ratio"] else "–"
        goal += ", ≥ %.0f %%" % (100 * r["wanted_share"]) if r["wanted_share"] else ""
        cells = [r["case"], duration(r["tacet"]), duration(r["peer"]), duration(r["peer_large"]), "%.2f" % r["ratio"],
                 "%.2f" % r["ratio_large"], share, "%.0f" % r["minor_faults"], "%.0f MB" % (r["peak_bytes"] / 1e6), goal,
                 "yes" if r["reached"] else "no"]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def describe(report):
    m, p = report["machine"], report["peak"]
    numbers = {key: " / ".join("–" if v is None else "%.0f" % v for v in p[key]) for key in p}
    sync = "\n\n```\n%s\n```" % report["sync_benchmark"] if report["sync_benchmark"] else ""
    return ("%s, %s, %d cores, %d GiB, Linux %s, %s. Peak on one / two threads: %s GF/s f32, %s GF/s bf16, %s GB/s. Medians of "
            "%d repetitions.\n\n%s%s" % (report["date"], m["processor"], m["cores"], m["memory_gib"], m["kernel"], m["libc"],
                                         numbers["f32_gflops"], numbers["bf16_gflops"], numbers["axpy_gbytes"],
                                         report["repeat"], table(report["cases"]), sync))


def update_page(page, text):
    begin, end = "<!-- generated: steps -->\n", "<!-- end of generated: steps -->"
    old = page.read_text()
    head, rest = old.split(begin)
    page.write_text(head + begin + text + "\n" + end + rest.split(end)[1])


def arguments():
    names = [case.name for case in cases.CASES]
    parser = argparse.ArgumentParser(prog="compare.sh", description="Measure tacet and plain PyTorch scripts in turn.")
    parser.add_argument("--case", action="append", choices=names, help="only this one; may be repeated")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4, help="of a peer's measured steps")
    parser.add_argument("--quick", action="store_true", help="one repetition, short")
    parser.add_argument("--smoke", action="store_true", help="a tiny case of each peer: does it run? numbers mean nothing")
    parser.add_argument("--out", type=pathlib.Path, help="JSON file of the results (default: results/DATE.json here)")
    parser.add_argument("--update-docs", nargs="?", const=PAGE, type=pathlib.Path, metavar="PAGE",
                        help="put the table into docs/reference/performance.md")
    options = parser.parse_args()
    if options.out and (options.out.is_dir() or not options.out.absolute().parent.is_dir()):  # told before, not after, measuring
        parser.error("argument --out: a file in a folder that there is, got %s" % options.out)
    if options.quick or options.smoke:
        options.repeat, options.seconds = 1, 0 if options.smoke else 1
    return options


def main():
    options = arguments()
    if not os.access(TACET, os.X_OK):
        sys.exit("no tacet at %s: build it, or set TACET_COMMAND" % TACET)
    with tempfile.TemporaryDirectory(prefix="tacet-compare-") as temporary:
        folder = pathlib.Path(temporary)
        build_peak(folder)
        peak, bf16, results, left_out, tried = measure_peak(folder), knows_bf16(), [], [], set()
        for case in cases.CASES:
            if (options.case and case.name not in options.case) or (options.smoke and case.peer in tried):
                continue
            tried.add(case.peer)
            if case.dtype == "bf16" and not bf16:
                left_out.append(case.name)
                continue
            result = measure(case, options, folder)
            judge(result)
            results.append(result)
            print("%s: tacet %s, peer %s, ratio %.2f" % (case.name, duration(result["tacet"]), duration(result["peer"]),
                                                        result["ratio"]), file=sys.stderr, flush=True)
        sync = None if options.smoke or options.case else sync_benchmark()
    now = datetime.datetime.now()
    report = {"date": now.strftime("%Y-%m-%d"), "machine": machine(), "peak": peak, "repeat": options.repeat,
              "smoke": options.smoke, "left_out": left_out, "cases": results, "sync_benchmark": sync}
    print(describe(report))
    for name in left_out:
        print("%s: this tacet knows no run.dtype" % name)
    out = options.out or HERE / "results" / (report["date"] + ".json")
    out.parent.mkdir(exist_ok=True)
    out.write_text(json.dumps(report, indent=1) + "\n")
    if options.update_docs:
        update_page(options.update_docs, describe(report))


if __name__ == "__main__":
    main()
