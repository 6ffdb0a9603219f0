#!/usr/bin/env python3
"""Times `phoenix validate` beside validators that only know the schema, on generated fleets.

Whole processes, in turn, on the same data and the same schema (schemas/lxc.schema.json); the smallest of several runs counts.
Phoenix does more than the others: types, the graph, the rules over the whole fleet, and it looks for the scripts.

    benches/validate.py [--runs N] [--guests 100,1000,10000]

builds what is ours in release form. The others are taken from PATH where they are:
check-jsonschema (pip install check-jsonschema), ajv (npm install ajv-cli), jsonschema-cli (cargo install jsonschema-cli).
"""

import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
SCHEMA = ROOT / "schemas" / "lxc.schema.json"


def measure(argv, runs):
    """Seconds and MiB of the quickest run; the process must end with 0."""
    best = None
    for _ in range(runs):
        start = time.perf_counter()
        child = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        errors = child.stderr.read()
        _, status, usage = os.wait4(child.pid, 0)
        seconds = time.perf_counter() - start
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode != 0:
            sys.exit(f"{argv[0]} ended with {child.returncode}: {errors.decode(errors='replace')[:2000]}")
        if best is None or seconds < best[0]:
            best = (seconds, usage.ru_maxrss / 1024)
    return best


def others(folder, data):
    """The other validators that are installed: name and command line."""
    plain = folder / "lxc.schema.json"
    schema = json.loads(SCHEMA.read_text())
    # ajv refuses identifiers that it cannot fetch; nothing refers to ours.
    schema.pop("$id")
    plain.write_text(json.dumps(schema))
    if found := shutil.which("check-jsonschema"):
        yield "check-jsonschema", [found, "--schemafile", str(plain), str(data)]
    if found := shutil.which("ajv"):
        ajv = [found, "validate", "--spec=draft2020", "--strict=false", "--validate-formats=false"]
        yield "ajv-cli", [*ajv, "-s", str(plain), "-d", str(data)]
    if found := shutil.which("jsonschema-cli"):
        yield "jsonschema-cli", [found, "validate", str(plain), "-i", str(data)]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--guests", default="100,1000,10000")
    options = parser.parse_args()
    build = ["cargo", "build", "--release", "--quiet", "--manifest-path", str(ROOT / "Cargo.toml")]
    subprocess.run([*build, "-p", "phoenix-cli", "--bin", "phoenix"], check=True)
    subprocess.run([*build, "-p", "phoenix-config", "--example", "generate_fleet"], check=True)
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release"

    print("| guests | MB | tool | seconds | MiB | times as long as phoenix |")
    print("| ---: | ---: | --- | ---: | ---: | ---: |")
    for guests in options.guests.split(","):
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            fleet = folder / "fleet"
            generate = [target / "examples" / "generate_fleet", str(fleet), guests, "containers"]
            subprocess.run(generate, check=True, stdout=subprocess.DEVNULL)
            data = fleet / "phoenix_lxc_configs.json"
            size = data.stat().st_size / 1e6
            tools = [("phoenix validate", [str(target / "phoenix"), "-C", str(fleet), "validate"]), *others(folder, data)]
            own = None
            for tool, argv in tools:
                seconds, memory = measure(argv, options.runs)
                own = own or seconds
                print(f"| {guests} | {size:.1f} | {tool} | {seconds:.3f} | {memory:.0f} | {seconds / own:.1f} |", flush=True)


if __name__ == "__main__":
    main()
