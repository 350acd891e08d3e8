"""How long `cardioteach audit` takes beside importing pandas, which it cannot do without.

python benchmarks/audit.py [--repeats 5]
"""

import argparse
import subprocess
import sys
import time


def seconds(code: str) -> float:
    "How long a fresh Python takes for some code."
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=5)
    repeats = parser.parse_args().repeats
    pandas = min(seconds("import pandas") for _ in range(repeats))
    audit = min(seconds("from cardioteach.cli import main; main(['audit'])") for _ in range(repeats))
    print(f"import pandas {pandas:.2f} s, cardioteach audit {audit:.2f} s: {audit / pandas:.1f} times")


if __name__ == "__main__":
    main()
