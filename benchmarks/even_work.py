#!/usr/bin/env python3
"""Measures what dealing a round's clients evenly saves: federated averaging with 10 of 100 and of 1,000 clients a round, softmax
regression and a small CNN on random images of MNIST's shape, on one worker, on two with run.even_work = false, and on two with
true. Settings take turns, and the fastest of --repeats counts, in seconds of rounds. A quiet machine with two cores is needed.

    benchmarks/even_work.py [--tacet FILE] [--repeats N] [--rounds R]
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import files

HERE = pathlib.Path(__file__).resolve().parent
MODELS = {"logistic": [], "mnist-cnn": ["model.first=8", "model.second=16", "model.hidden=64"]}
SETTINGS = {"one worker": (1, True), "two, at home": (2, False), "two, even": (2, True)}


def seconds(tacet, folder, model, clients, rounds, workers, even):
    """-> (seconds of the rounds, the model's SHA-256) of one run."""
    with tempfile.TemporaryDirectory() as out:
        sets = ["data.root=" + json.dumps(str(folder)), "model.name=" + model, *MODELS[model], "clients.count=%d" % clients,
                "schedule.rounds=%d" % rounds, "run.eval_every=0", "run.even_work=" + ("true" if even else "false")]
        command = [tacet, "train", HERE / "recipes" / "logistic-many-clients.toml", "--quiet", "--out", out + "/run", "--workers",
                   str(workers)]
        for one in sets:
            command += ["--set", one]
        subprocess.run(command, check=True, timeout=3600, stdout=subprocess.DEVNULL)
        with open(out + "/run/summary.json", encoding="utf-8") as file:
            summary = json.load(file)
        return summary["seconds"], summary["model_sha256"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--tacet", default=os.environ.get("TACET_COMMAND", "build/release/tacet"))
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=200)
    arguments = parser.parse_args()
    print("%-10s %8s  %s" % ("model", "clients", "  ".join("%14s" % name for name in SETTINGS)))
    for model in MODELS:
        for clients in (100, 1000):
            with tempfile.TemporaryDirectory() as folder:
                data = files.write(pathlib.Path(folder) / "data", "logistic-many-clients", {"clients": clients}, 0)
                best, digests = {}, set()
                for _ in range(arguments.repeats):
                    for name, (workers, even) in SETTINGS.items():
                        took, digest = seconds(arguments.tacet, data, model, clients, arguments.rounds, workers, even)
                        best[name] = min(took, best.get(name, took))
                        digests.add(digest)
            if len(digests) != 1:
                sys.exit("%s, %d clients: the models differ" % (model, clients))
            one = best["one worker"]
            print("%-10s %8d  %s" % (model, clients, "  ".join("%7.3f s %4.2f×" % (t, one / t) for t in best.values())), flush=True)


if __name__ == "__main__":
    main()
