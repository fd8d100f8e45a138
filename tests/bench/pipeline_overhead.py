"""What `kfp.local` costs: the training pipeline against its own functions in one process.

Both sides start a new interpreter for each round, train on January to March 2013 in a store of
their own, and deploy. The rounds alternate, so that a noisy machine is noisy for both.

    .venv/bin/python tests/bench/pipeline_overhead.py [--rounds 3]
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from components.spec.context import open_context
from components.spec.load import dump_spec, load_spec
from components.steps.checks import schema_step
from components.steps.ingest import ingest_step

SPEC = Path(__file__).parents[2] / "pipelines" / "specs" / "flights.yaml"
START, END = "2013-01-01", "2013-04-01"


def in_one_process(store: str) -> None:
    """What the pipeline's steps do, without Kubeflow."""
    from components.steps.deploy import deploy_step
    from components.steps.notify import notify_step
    from components.steps.training import evaluate_step, train_step, validate_step

    context = open_context(dump_spec(load_spec(SPEC)), store, "bench", "1", START, END)
    folder = Path(store) / "artifacts"
    folder.mkdir(parents=True)
    data, candidate = str(folder / "data"), str(folder / "candidate")
    evaluation, proof = str(folder / "evaluation"), str(folder / "proof")
    ingest_step(context, "training", data)
    schema_step(context, "training", data, str(folder / "schema"))
    train_step(context, data, candidate)
    assert evaluate_step(context, data, candidate, evaluation).verdict == "accept"
    validate_step(context, data, candidate, proof)
    deploy_step(context, data, candidate, evaluation, proof, str(folder / "card"))
    notify_step(context, "SUCCEEDED", "")


def seconds(command: list[str]) -> tuple[float, float]:
    """The wall time of a command that must succeed, and the processor time of all it started."""
    start, before = time.perf_counter(), os.times()
    subprocess.run(command, check=True, capture_output=True)  # our own commands
    wall, after = time.perf_counter() - start, os.times()
    spent = after.children_user + after.children_system
    return wall, spent - before.children_user - before.children_system


def table(pipeline: list[tuple[float, float]], direct: list[tuple[float, float]]) -> None:
    """Print both medians with their ratio, in wall time and in processor time."""
    for kind, what in enumerate(("wall time", "processor time")):
        medians = []
        for name, rounds in (("kfp.local", pipeline), ("one process", direct)):
            each = [measured[kind] for measured in rounds]
            medians.append(statistics.median(each))
            listed = " ".join(f"{value:.1f}" for value in each)
            print(f"{what:<14}  {name:<11}  {medians[-1]:6.1f} s   {listed}")
        print(f"{what:<14}  ratio        {medians[0] / medians[1]:6.2f}")


def main() -> None:
    """Run the rounds and print both medians with their ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--in-one-process", metavar="STORE", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.in_one_process:
        in_one_process(arguments.in_one_process)
        return
    pipeline, direct = [], []
    for _ in range(arguments.rounds):
        with tempfile.TemporaryDirectory() as scratch:
            run = [sys.executable, "-m", "pipelines", "run", "training", "--spec", str(SPEC)]
            run += ["--window", f"{START}..{END}", "--store", f"{scratch}/pipeline"]
            pipeline.append(seconds(run))
            same = [sys.executable, __file__, "--in-one-process", f"{scratch}/direct"]
            direct.append(seconds(same))
    table(pipeline, direct)


if __name__ == "__main__":
    main()
