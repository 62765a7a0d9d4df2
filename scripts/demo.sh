#!/usr/bin/env bash
# Run the sample course in runs/demo. What an earlier run finished stays.
set -euo pipefail
mkdir -p runs/demo
for folder in lectures cards; do
    mkdir -p "runs/demo/$folder"
    cp -u examples/course/"$folder"/* "runs/demo/$folder/"
done
test -f runs/demo/course.toml || cp recipes/demo.toml runs/demo/course.toml
exec .venv/bin/edullama run runs/demo
