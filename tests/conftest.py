"""Set-up that every test shares: strict JAX, eight virtual devices, a home folder of its own."""

import gc
import os
import sys
from itertools import count
from pathlib import Path

import pytest

os.environ.setdefault("KERAS_BACKEND", "jax")
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ["XLA_FLAGS"] = (
    os.environ.get("XLA_FLAGS", "") + " --xla_force_host_platform_device_count=8"
).strip()

ROOT = Path(__file__).resolve().parent.parent
# compiled programs are kept from run to run; the user's own home folder stays as it is
os.environ.setdefault("KOLAM_HOME", str(ROOT / ".kolam-home"))


# tracing makes objects by the thousand and few cycles: with the thresholds of Python, 700 and 10,
# looking for those takes a tenth of the time
gc.set_threshold(20_000, 10, 10)

# pieces of memory, of the 65,530 that Linux gives a process; XLA's compiler dies when none is left
_MANY_PIECES = 15_000
_tests = count(1)


def pytest_runtest_teardown() -> None:
    """Drop compiled programs once there are many: each takes some pieces of memory."""
    if next(_tests) % 50:  # to count them takes some milliseconds
        return
    pieces = Path("/proc/self/maps")
    many = pieces.is_file() and pieces.read_bytes().count(b"\n") > _MANY_PIECES
    if many and "jax" in sys.modules:
        sys.modules["jax"].clear_caches()
        gc.collect()


def _missing(reason: str) -> None:
    """Skip with a reason; with CI=true a missing tool is a failure."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"with CI=true nothing may be missing: {reason}")
    pytest.skip(reason)


@pytest.fixture(scope="session")
def node() -> str:
    """Path of Node 20 or newer."""
    import shutil

    found = shutil.which("node")
    if found is None:
        _missing("node is not installed (apt-get install nodejs)")
    return str(found)


@pytest.fixture(scope="session")
def emulators() -> None:
    """QEMU for the targets of other processors."""
    import shutil

    for tool in ("qemu-system-arm", "qemu-aarch64-static"):
        if shutil.which(tool) is None:
            _missing(f"{tool} is not installed (scripts/install-test-tools)")


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of Chromium."""
    import shutil

    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        _missing("chromium is not installed (apt-get install chromium)")
    return str(found)


@pytest.fixture(scope="session")
def real_tables() -> Path:
    """Folder of the real tables (heart.csv, taxi/taxi.csv)."""
    folder = Path(os.environ.get("KOLAM_TEST_DATA", ROOT.parent / "shared" / "data"))
    if not (folder / "heart.csv").is_file():
        pytest.skip(f"the real tables are not at {folder}; set KOLAM_TEST_DATA")
    return folder
