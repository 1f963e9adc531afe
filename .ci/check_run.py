#!/usr/bin/env python3
"""Checks that a pre-training run left what it promises. Usage: check_run.py FOLDER"""

import json
import math
import pathlib
import struct
import sys


def safetensors_names(path):
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    return [name for name in json.loads(data[8 : 8 + length]) if name != "__metadata__"]


def main():
    run = pathlib.Path(sys.argv[1])
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    losses = [line["loss"] for line in lines if line.get("kind", "train") == "train"]
    assert len(losses) >= 10, f"metrics.jsonl: {len(losses)} steps"
    assert all(math.isfinite(loss) for loss in losses), "metrics.jsonl: a loss is not finite"
    head, tail = losses[: len(losses) // 4 + 1], losses[-(len(losses) // 4 + 1) :]
    assert sum(tail) / len(tail) < sum(head) / len(head), "the loss did not fall"

    last = (run / "checkpoints" / "last").read_text().strip()
    checkpoint = run / "checkpoints" / last
    for name in ("model.safetensors", "optimizer.safetensors"):
        assert safetensors_names(checkpoint / name), f"{checkpoint / name} is empty"
    json.loads((checkpoint / "state.json").read_text())

    report = (run / "report.html").read_text()
    assert "<svg" in report, "report.html has no drawing"
    for loader in ("src=\"http", "href=\"http", "@import"):
        assert loader not in report, f"report.html is not self-contained: {loader}"
    print(f"run: {len(losses)} steps, loss {losses[0]:.3f} to {losses[-1]:.3f}, checkpoint {last}")


if __name__ == "__main__":
    main()
