"""Imports every top-level module of an installed distribution: import.py NAME FOLDER."""

import importlib
import importlib.metadata
import sys

name, folder = sys.argv[1:]
sys.path.insert(0, folder)
wanted = name.lower().replace("_", "-")
for distribution in importlib.metadata.distributions(path=[folder]):
    if distribution.metadata["Name"].lower().replace("_", "-").replace(".", "-") != wanted:
        continue
    modules = {
        file.parts[0].removesuffix(".py")
        for file in distribution.files or []
        if file.suffix == ".py" and ".." not in file.parts
    }
    for module in sorted(modules):
        if module.isidentifier():
            importlib.import_module(module)
    break
else:
    sys.exit(f"{name} is not installed")
