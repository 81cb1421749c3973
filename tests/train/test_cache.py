"""What one process has compiled, the next one finds."""

import os
import subprocess
import sys
from pathlib import Path

PROGRAM = """
import numpy as np
from kolam.train import fit

def step(state, batch):
    while state > 10:  # converted code has to be found again as well
        state = state / 2
    if batch.max() > 1e9:
        raise ValueError(f"too large: {batch.max()}")
    return state + batch.mean(), {"mean": batch.mean()}

fit(step, 0.0, np.ones(70), epochs=2, verbose=0)
"""


def test_a_second_process_compiles_nothing(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)
    environment = {**os.environ, "KOLAM_HOME": str(tmp_path)}
    found = []
    for _ in range(2):
        subprocess.run([sys.executable, str(tmp_path / "program.py")], check=True, env=environment)
        found.append(sorted(path.name for path in (tmp_path / "cache" / "xla").glob("*-cache")))
    assert found[0] == found[1]
    assert any("lowered" in name for name in found[0])


MODEL = """
import keras
import numpy as np
from kolam.train import fit

model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2), keras.layers.Dense(1)])
model.compile("adam", "mse", metrics=["mae"])
table = np.ones((64, 3), "float32"), np.ones((64, 1), "float32")
fit(model, *table, validation_data=table, epochs=2, verbose=0)
"""


def test_a_first_fit_compiles_its_steps_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(MODEL)
    environment = {**os.environ, "KOLAM_HOME": str(tmp_path), "KERAS_BACKEND": "jax"}
    subprocess.run([sys.executable, str(tmp_path / "program.py")], check=True, env=environment)
    folder = tmp_path / "cache" / "xla"
    assert not list(folder.glob("*-cache"))
    found = sorted(path.stat().st_size for path in (folder / "kolam").iterdir())
    # steps of training and of the test: a name is kept, and the program of that name
    assert [size == 64 for size in found] == [True, True, False, False]
