"""Bring the published Lexicon documents into the package, as data.

`python tempest-core/scripts/vendor_lexicons.py [VERSION]` fetches the package `lexrpc` with pip (public domain, CC0;
it carries the documents unchanged), keeps the four namespaces that a PDS serves or forwards, takes out the
descriptions, and writes one small JSON file a document: a document is looked up by its name, and read only when it is
needed.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

PACKAGE = "lexrpc"
NAMESPACES = ("com.atproto.", "app.bsky.", "chat.bsky.", "tools.ozone.")
DATA = Path(__file__).parent.parent / "src" / "tempest_pds" / "protocol" / "lexicon" / "data"

LICENSE = """\
The Lexicon documents in this folder are part of the AT Protocol, https://github.com/bluesky-social/atproto. Their
descriptions were taken out; nothing else was changed.

Dual MIT/Apache-2.0 License

Copyright (c) 2022-2026 Bluesky Social PBC, and Contributors

They are licensed under the MIT license (http://opensource.org/licenses/MIT), or the Apache License, Version 2.0
(http://www.apache.org/licenses/LICENSE-2.0), at your option.

MIT License

Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated
documentation files (the "Software"), to deal in the Software without restriction, including without limitation the
rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit
persons to whom the Software is furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions of the
Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE
WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR
COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR
OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.
"""


def download(version: str | None, folder: Path) -> Path:
    """Fetch the wheel, without what it depends on."""
    requirement = f"{PACKAGE}=={version}" if version else PACKAGE
    pip = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--no-deps",
        "--only-binary=:all:",
        "--dest",
        str(folder),
    ]
    subprocess.run([*pip, requirement], check=True)  # noqa: S603 - a fixed command and a version from the developer
    return next(folder.glob("*.whl"))


def without_prose(node: Any) -> Any:
    """Drop every description. A *property* called `description` stays: its value is a schema, never a string."""
    if isinstance(node, dict):
        return {
            key: without_prose(value)
            for key, value in node.items()
            if not (key == "description" and isinstance(value, str))
        }
    if isinstance(node, list):
        return [without_prose(item) for item in node]
    return node


def documents(wheel: Path) -> dict[str, Any]:
    """Read the documents of the wanted namespaces by NSID."""
    found = {}
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            if name.startswith(f"{PACKAGE}/lexicons/") and name.endswith(".json"):
                document = json.loads(archive.read(name))
                if document["id"].startswith(NAMESPACES):
                    found[document["id"]] = without_prose(document)
    return found


def main() -> None:
    """Replace the data of the package."""
    with tempfile.TemporaryDirectory() as folder:
        wheel = download(sys.argv[1] if len(sys.argv) > 1 else None, Path(folder))
        found = documents(wheel)
        version = wheel.name.split("-")[1]
    for stale in DATA.glob("*.json"):
        stale.unlink()
    DATA.mkdir(exist_ok=True)
    for nsid, document in sorted(found.items()):
        text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
        (DATA / f"{nsid}.json").write_text(text + "\n", encoding="utf-8")
    (DATA / "LICENSE").write_text(LICENSE, encoding="utf-8")
    counts = "".join(f"  {space}*: {sum(nsid.startswith(space) for nsid in found)}\n" for space in NAMESPACES)
    (DATA / "PROVENANCE").write_text(
        f"Written by scripts/vendor_lexicons.py from {PACKAGE} {version} (CC0), {len(found)} documents:\n{counts}",
        encoding="utf-8",
    )
    print(f"{len(found)} documents of {PACKAGE} {version}")


if __name__ == "__main__":
    main()
