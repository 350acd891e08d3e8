"""How long `cardioteach audit` takes beside importing pandas, which it cannot do without.

python benchmarks/audit.py [--repeats 5]
"""

import argparse
import subprocess
import sys

from timing import seconds


def fresh(code: str) -> float:
    "How long a fresh Python takes for some code, in seconds."
    command = [sys.executable, "-c", code]
    return seconds(lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL))[0]


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=5)
    repeats = parser.parse_args().repeats
    pandas = min(fresh("import pandas") for _ in range(repeats))
    audit = min(fresh("from cardioteach.cli import main; main(['audit'])") for _ in range(repeats))
    print(f"import pandas {pandas:.2f} s, cardioteach audit {audit:.2f} s: {audit / pandas:.1f} times")


if __name__ == "__main__":
    main()
