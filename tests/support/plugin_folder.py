"""A plugin as pip would install it, in a folder of its own."""

from pathlib import Path


def write_plugin(folder: Path, name: str, source: str) -> str:
    """Write it, and return the name of its module. It is found by a Python that has the folder on its path."""
    module = f"{name}_of_a_test"
    metadata = folder / f"{name}-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(f"[tempest_pds.plugins]\n{name} = {module}\n")
    (folder / f"{module}.py").write_text(source)
    return module
