"""The Dockerfile, read back: what it does in each stage, and what the image is run with."""

import json
import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


@dataclass(frozen=True)
class Instruction:
    """One instruction: its word, its flags (`--from=build`) and the rest of its line."""

    word: str
    flags: dict[str, str]
    rest: str

    @property
    def items(self) -> list[str] | None:
        """The items of the exec form, None for the shell form."""
        return [str(item) for item in json.loads(self.rest)] if self.rest.startswith("[") else None


@dataclass(frozen=True)
class Stage:
    """What stands between one FROM and the next."""

    base: str
    name: str | None
    instructions: list[Instruction] = field(default_factory=list)

    def all(self, word: str) -> list[Instruction]:
        return [instruction for instruction in self.instructions if instruction.word == word]

    def one(self, word: str) -> Instruction:
        [instruction] = self.all(word)
        return instruction

    @property
    def env(self) -> dict[str, str]:
        """What ENV sets."""
        words = [word for instruction in self.all("ENV") for word in shlex.split(instruction.rest)]
        return dict(word.split("=", 1) for word in words)

    @property
    def args(self) -> dict[str, str]:
        """The build arguments with their defaults."""
        return dict(instruction.rest.split("=", 1) for instruction in self.all("ARG"))


def read_dockerfile(path: Path = ROOT / "Dockerfile") -> list[Stage]:
    """Return the stages, the last of which becomes the image."""
    lines = [line for line in path.read_text().splitlines() if line.strip() and not line.lstrip().startswith("#")]
    stages: list[Stage] = []
    for line in re.sub(r"\\\n\s*", " ", "\n".join(lines)).splitlines():
        word, _, rest = line.partition(" ")
        flags = {}
        while match := re.match(r"--([\w-]+)=(\S+)\s+", rest):
            flags[match[1]] = match[2]
            rest = rest[match.end() :]
        if word == "FROM":
            base, _, name = rest.partition(" AS ")
            stages.append(Stage(base, name or None))
        else:
            stages[-1].instructions.append(Instruction(word, flags, rest.strip()))
    return stages


def image() -> Stage:
    """Return the stage that is run."""
    return read_dockerfile()[-1]


def health_check() -> list[str]:
    """Return the command of HEALTHCHECK."""
    rest = image().one("HEALTHCHECK").rest
    command: list[str] = json.loads(rest.partition("CMD ")[2])
    return command


def build_context() -> list[Path]:
    """List the files that `.dockerignore` lets into a build, relative to the root of the repository."""
    patterns = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    rules = [(not line.startswith("!"), _pattern(line.removeprefix("!"))) for line in patterns]
    found: list[Path] = []
    for top in ROOT.iterdir():
        if top.name.startswith(".") or top.name == "node_modules":
            continue
        found += [path.relative_to(ROOT) for path in ([top] if top.is_file() else top.rglob("*")) if path.is_file()]
    return sorted(path for path in found if not _ignored(path.as_posix(), rules))


def _pattern(line: str) -> re.Pattern[str]:
    """Compile a pattern; it matches a path, or a folder that the path is in. The last match decides."""
    escaped = re.escape(line).replace(r"\*\*/", "(?:.*/)?").replace(r"\*", "[^/]*")
    return re.compile(rf"{escaped}(?:/.*)?")


def _ignored(name: str, rules: list[tuple[bool, re.Pattern[str]]]) -> bool:
    ignored = False
    for ignores, pattern in rules:
        if pattern.fullmatch(name):
            ignored = ignores
    return ignored
