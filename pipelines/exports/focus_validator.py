"""A frozen FOCUS file -> the report of FOCUS's own validator on it, where one is installed; it is no library of ours.

It needs a Python and a pyarrow of its own, so it runs as a program: the one that APILEDGER_FOCUS_VALIDATOR names, else
`focus-validator` on the PATH. It gets no variable of ours, asks nothing of the network and writes into a folder that
goes again.
"""

import os
import shutil
import subprocess
import tempfile
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path

from pipelines.errors import PipelineError

VARIABLE = "APILEDGER_FOCUS_VALIDATOR"
REPORT = "focus_validator.xml"
# The version of FOCUS's rules that it has for 1.2.
_RULES = "1.2.0.1"
_PATIENCE_S = 300


class ValidatorError(PipelineError):
    """A validator that was named and did not judge the file."""


@dataclass(frozen=True)
class Judgement:
    """What a validator said: its own report, how many rules the file passed, and which it failed."""

    body: bytes
    passed: int
    failed: tuple[str, ...]


def program() -> Path | None:
    """The validator's executable; None where there is none. ValidatorError where the setting names none."""
    named = os.environ.get(VARIABLE, "").strip()
    found = shutil.which(named or "focus-validator")
    if named and found is None:
        raise ValidatorError(f"{VARIABLE} names no program: install focus-validator, or take the setting away")
    return Path(found) if found else None


def judged(validator: Path, file: Path) -> Judgement:
    """Have a FOCUS 1.2 file judged; ValidatorError where no report came of it."""
    with tempfile.TemporaryDirectory(dir=file.parent) as folder:
        place = Path(folder)
        # It opens its list of currencies by a path that begins where it runs, and writes a log there.
        for package in validator.resolve().parent.parent.glob("lib/python3*/site-packages/focus_validator"):
            (place / package.name).symlink_to(package)
            break
        told = place / REPORT
        options = ["--data-file", str(file), "--validate-version", _RULES, "--block-download"]
        kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        try:
            subprocess.run(
                [str(validator), *options, "--output-type", "unittest", "--output-destination", str(told)],
                check=True,
                cwd=place,
                env={**kept, "HOME": folder, "TMPDIR": folder},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=_PATIENCE_S,
            )
            body = told.read_bytes()
            cases = list(ET.fromstring(body).iter("testcase"))  # noqa: S314 (the program that is run here wrote it)
        except (OSError, subprocess.SubprocessError, ET.ParseError) as error:
            raise ValidatorError(
                f"{validator} did not judge {file.name} ({type(error).__name__}): see whether it runs by itself, or "
                f"set {VARIABLE} to another"
            ) from None
    failed = tuple(str(case.get("name")).split(" ")[0] for case in cases if case.find("failure") is not None)
    skipped = sum(case.find("skipped") is not None for case in cases)
    return Judgement(body, len(cases) - skipped - len(failed), failed)
