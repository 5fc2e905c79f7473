"""Times the writing of rows, beside the published package, in turn.

Usage: python campaigns/write_speed.py PYTHON_WITH_THE_PUBLISHED_PACKAGE [REPEATS]
"""

import statistics
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).with_name("write_rows.py")
CASES = {1: 100_000, 100: 20_000, 1000: 10_000, 10_000: 1000}


def measure(python: str, width: int, num_rows: int) -> list[float]:
    """Times one backend: seconds, those of a bulk write, sizes of the files."""
    process = subprocess.run(
        [python, SCRIPT, str(width), str(num_rows)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    result = next(x for x in process.stdout.splitlines() if x.startswith("RESULT"))
    return [float(number) for number in result.split()[1:]]


def main() -> None:
    """Measures all cases, in pairs, and prints a table of medians."""
    published, repeats = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 5
    print(
        "row      published    ours     faster (range)       ours/bulk  size/published"
    )
    for width, num_rows in CASES.items():
        pairs = [
            (
                measure(published, width, num_rows),
                measure(sys.executable, width, num_rows),
            )
            for _ in range(repeats)
        ]
        ratios = sorted(theirs[0] / ours[0] for theirs, ours in pairs)
        row_times = [
            1e6 * statistics.median(pair[side][0] for pair in pairs) / num_rows
            for side in (0, 1)
        ]
        bulk = statistics.median(ours[0] / ours[1] for _, ours in pairs)
        size = statistics.median(ours[2] / theirs[2] for theirs, ours in pairs)
        print(
            f"{width:<8d} {row_times[0]:7.1f} us {row_times[1]:7.2f} us "
            f"{statistics.median(ratios):7.1f} ({ratios[0]:.1f}-{ratios[-1]:.1f})"
            f"{bulk:14.2f} {size:12.2f}"
        )


if __name__ == "__main__":
    main()
