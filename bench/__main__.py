"""python -m bench: measure, print, write JSON. See scripts/bench."""

from __future__ import annotations

import argparse
import os
import sys
from datetime import UTC, datetime

from bench.engines import ROOT, Peers, Tiffin
from bench.report import Report
from bench.suite import Suite, machine_is_fit

PARTS = ("run", "run-none", "api-none", "api", "exec", "cli", "memory")


def main() -> int:
    """Run the benchmark; the exit status."""
    parser = argparse.ArgumentParser(prog="scripts/bench", description="Measure tiffin beside other engines.")
    parser.add_argument("--rounds", type=int, default=20, help="measured rounds of each comparison (default 20)")
    parser.add_argument("--no-peers", action="store_true", help="measure tiffin alone")
    parser.add_argument("--output", default="", help="file for the results (default: bench/results/<time>.json)")
    parser.add_argument("only", nargs="*", metavar="PART", help=f"what to measure (default: all): {', '.join(PARTS)}")
    arguments = parser.parse_args()
    unknown = sorted(set(arguments.only) - set(PARTS))
    if unknown:
        parser.error(f"no such part: {', '.join(unknown)}")
    if reason := machine_is_fit():
        print(f"bench: {reason}", file=sys.stderr)
        return 1
    report = Report(arguments.rounds)
    peers = None if arguments.no_peers else Peers()
    try:
        ours = Tiffin()
        try:
            Suite(report, arguments.rounds, ours, peers).run(arguments.only)
        finally:
            ours.close()
    finally:
        if peers is not None:
            peers.close()
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    report.write(arguments.output or os.path.join(ROOT, "bench", "results", f"{stamp}.json"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
