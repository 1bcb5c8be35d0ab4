#!/usr/bin/env python3
"""What the binary for linux/GOARCH is made of: its licences, and with
--sbom=FILE a list of its parts in the form of CycloneDX 1.5.

packaging/licences.py VERSION [--sbom=FILE] writes our licence and those of all
modules that are linked, with their texts. A licence that it does not know is
an error."""
import json
import os
import pathlib
import re
import subprocess
import sys

# Sentences by which a licence is known; the clauses of BSD-3 hold those of BSD-2.
SIGNS = [
    ("Apache-2.0", "Apache License Version 2.0"),
    ("MPL-2.0", "Mozilla Public License"),
    ("BSD-3-Clause", "may be used to endorse or promote products derived from this software"),
    ("BSD-2-Clause", "Redistributions in binary form must reproduce"),
    ("MIT", "Permission is hereby granted, free of charge, to any person obtaining a copy"),
    ("ISC", "Permission to use, copy, modify, and/or distribute this software"),
    ("CC0-1.0", "CC0 1.0 Universal"),
    ("Unlicense", "This is free and unencumbered software released into the public domain"),
]
NAMES = re.compile(r"^(LICEN[CS]E|COPYING|NOTICE|COPYRIGHT)([-._].*)?$", re.IGNORECASE)


def go(*arguments):
    return subprocess.run(["go", *arguments], check=True, capture_output=True, text=True).stdout


def licences_of(text):
    words = " ".join(text.replace(",", "").split())
    found = {name for name, sign in SIGNS if sign.replace(",", "") in words}
    return found - {"BSD-2-Clause"} if "BSD-3-Clause" in found else found


def texts_in(folder):
    return [(p.name, p.read_text(errors="replace")) for p in sorted(pathlib.Path(folder).iterdir()) if p.is_file() and NAMES.match(p.name)]


def modules():
    os.environ.update(CGO_ENABLED="0", GOOS="linux")
    form = '{{with .Module}}{{if not .Main}}{{.Path}}\t{{.Version}}\t{{.Dir}}{{end}}{{end}}'
    found = {tuple(line.split("\t")) for line in go("list", "-deps", "-f", form, ".").splitlines() if line}
    goroot, version = go("env", "GOROOT", "GOVERSION").split("\n")[:2]
    # Debian keeps the licence of Go elsewhere than Go does.
    licence = next((d for d in (goroot, "/usr/share/doc/golang-go") if os.path.isdir(d) and texts_in(d)), goroot)
    return [("std", version.removeprefix("go"), licence), *sorted(found)]


def main():
    version = sys.argv[1]
    sbom = next((a.removeprefix("--sbom=") for a in sys.argv[2:] if a.startswith("--sbom=")), None)
    table, bodies, components = [], [], []
    for path, number, folder in modules():
        texts = texts_in(folder)
        names = sorted(set().union(*(licences_of(text) for _, text in texts)))
        if not names:
            sys.exit(f"{path} {number}: no licence that is known")
        table.append(f"  {path} {number}: {' and '.join(names)}")
        bodies += [f"\n{'=' * 78}\n{path} {number}: {name}\n\n{text.strip()}\n" for name, text in texts]
        components.append({
            "type": "library", "bom-ref": f"pkg:golang/{path}@{number}", "name": path, "version": number,
            "purl": f"pkg:golang/{path}@{number}", "licenses": [{"license": {"id": name}} for name in names],
        })
    ours = pathlib.Path("LICENSE").read_text()
    print(f"active_users_exporter {version} is under the Apache License 2.0, below.\n\nLinked into it are:\n")
    print("\n".join(table))
    print(f"\n{'=' * 78}\nactive_users_exporter\n\n{ours.strip()}\n" + "".join(bodies), end="")
    if sbom:
        document = {
            "bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1,
            "metadata": {"component": {
                "type": "application", "bom-ref": "active_users_exporter", "name": "active_users_exporter", "version": version,
                "licenses": [{"license": {"id": "Apache-2.0"}}],
            }},
            "components": components,
            "dependencies": [{"ref": "active_users_exporter", "dependsOn": [c["bom-ref"] for c in components]}],
        }
        pathlib.Path(sbom).write_text(json.dumps(document, indent=1) + "\n")


main()
