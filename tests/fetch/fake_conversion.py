"""In place of the process that converts: does what the name of the source asks for, in the same language."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path

from depth_anything_ros.spec import load_spec, spec_path_of, spec_to_dict
from tests.tiny_networks import write_network


def main() -> None:
    job = json.loads(sys.stdin.readline())
    deed = Path(job["source"]).stem
    out = Path(job["out"])
    print(json.dumps({"what": "exporting", "fraction": 0.5}), flush=True)
    if deed == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    elif deed == "crashed":
        sys.exit("RuntimeError: something of torch's")
    elif deed == "hanging":
        (out / "pid").write_text(str(os.getpid()))
        time.sleep(60)
    elif deed in ("LicenceError", "ConfigError", "KeyError"):
        print(json.dumps({"error": deed, "message": "told by the child"}), flush=True)
    elif deed == "MissingDependency":
        print(json.dumps({"error": deed, "arguments": ["safetensors", "convert"]}), flush=True)
    else:
        provenance = {"kind": "known", "job": json.dumps(job)}
        path = write_network(out, name=job["model"] or "v2-small", provenance=provenance)
        print(json.dumps({"spec": spec_to_dict(load_spec(spec_path_of(path)))}), flush=True)


main()
