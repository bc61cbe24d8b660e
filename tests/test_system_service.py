"""The commands of `docs/deploying.md` that install a service of systemd, run in a system of its own."""

import os
import re
from pathlib import Path

import pytest
from tests.support.container import PATH, Container, require_containers
from tests.support.dockerfile import ROOT
from tests.support.image_build import make_base, root_of, run_inside

UNIT = "etc/systemd/system/tempest.service"


@pytest.mark.long
def test_what_the_page_installs_starts_as_its_unit_says(tmp_path_factory: pytest.TempPathFactory) -> None:
    """All but systemd itself, which wants to be the first process of a machine."""
    require_containers()
    folder = tmp_path_factory.mktemp("system")
    base = make_base(folder, "gcc", "libc6-dev")
    (base / UNIT).parent.mkdir(parents=True, exist_ok=True)
    section = (ROOT / "docs" / "deploying.md").read_text().partition("## As a service of systemd")[2]
    install = re.findall(r"^```sh\n(.*?)^```", section, re.MULTILINE | re.DOTALL)[0]
    run_inside(base, Path("/copy"), {"PATH": PATH}, f'set -eu; sudo() {{ "$@"; }}\n{install}', source=ROOT)

    settings = base / "etc" / "tempest.env"
    assert settings.stat().st_mode & 0o777 == 0o600
    assert settings.read_text() == (ROOT / ".env.example").read_text()
    unit = (base / UNIT).read_text()
    [user] = re.findall(r"^User=(\w+)$", unit, re.MULTILINE)
    [command] = re.findall(r"^ExecStart=(.*)$", unit, re.MULTILINE)
    [uid] = re.findall(rf"^{user}:x:(\d+):", (base / "etc" / "passwd").read_text(), re.MULTILINE)
    volume = folder / "volume"
    volume.mkdir(mode=0o700)
    os.chown(volume, int(uid), int(uid))
    as_user = ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups", "--no-new-privs", "--"]
    with Container(root_of(base), volume, *command.split(), entrypoint=as_user) as container:
        assert container.status("Uid") == [uid] * 4
        assert container.stop() == 0
