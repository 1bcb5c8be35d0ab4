#!/usr/bin/env python3
"""Prints what a release was built from, as an in-toto statement with the predicate
SLSA provenance 1.0: packaging/provenance.py FOLDER REVISION DATE. It names each file
of FOLDER/SHA256SUMS, the commit, Go and every module that go.sum holds to a digest.
It has no time but the commit's, so that the same commit gives the same statement.
"""

import json
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent


def main():
    folder, revision, date = pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3]
    lines = [line.split() for line in (folder / "SHA256SUMS").read_text().splitlines()]
    subjects = [{"name": name, "digest": {"sha256": digest}} for digest, name in lines]
    if not subjects:
        sys.exit("SHA256SUMS is empty")
    go = subprocess.run(["go", "env", "GOVERSION"], check=True, capture_output=True, text=True, cwd=ROOT).stdout.strip()
    modules = [line.split() for line in (ROOT / "go.sum").read_text().splitlines() if "/go.mod " not in line]
    materials = [{"name": "source", "digest": {"gitCommit": revision.removesuffix("-dirty")}}]
    # h1: is the base64 of the digest "dirhash" of Go's module zip.
    materials += [
        {"uri": f"pkg:golang/{path}@{version}", "digest": {"dirHash": sum.removeprefix("h1:")}}
        for path, version, sum in modules if sum.startswith("h1:")
    ]
    external = {"command": "packaging/release", "architectures": sorted(set(re.findall(r"linux-(\w+)\.tar\.gz", " ".join(name for _, name in lines))))}
    if revision.endswith("-dirty"):
        external["uncommittedChanges"] = True
    print(json.dumps({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": subjects,
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {
            "buildDefinition": {
                "buildType": "https://slsa.dev/provenance/v1#active_users_exporter-packaging-release",
                "externalParameters": external,
                "internalParameters": {"go": go, "CGO_ENABLED": "0"},
                "resolvedDependencies": materials,
            },
            "runDetails": {
                "builder": {"id": "file:packaging/release"},
                "metadata": {"invocationId": revision, "startedOn": date, "finishedOn": date},
            },
        },
    }, indent=1))


main()
