"""Runs emitted C under the sanitizers of a compiler: every array on its own, none a byte longer."""

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from kolam.lite import Compiled

COMPILERS: dict[str, list[str]] = {
    # addresses and undefined behaviour, each with a message
    "gcc": [
        *("gcc", "-O0", "-g", "-march=native", "-fsanitize=address,undefined,float-cast-overflow"),
        "-fno-sanitize-recover=all",
    ],
    "gcc-plain": [
        *("gcc", "-O0", "-g", "-fsanitize=address,undefined,float-cast-overflow"),
        *("-fno-sanitize-recover=all", "-DNAME_PLAIN"),
    ],
    # undefined behaviour as clang sees it; ends at a trap
    "zig": [
        *(sys.executable, "-m", "ziglang", "cc", "-O1", "-g0", "-mcpu=native"),
        *("-fsanitize=undefined,float-cast-overflow", "-fsanitize-trap=undefined"),
    ],
}
_MAIN = """#define _POSIX_C_SOURCE 200809L
#include <stdio.h>
#include <stdlib.h>
#include "model.h"

static void *made(size_t size, size_t alignment) {
    void *place = NULL;
    if (posix_memalign(&place, alignment, size ? size : 1) != 0) exit(3);
    return place;
}

int main(void) {
    const size_t in[] = {@IN@}, out[] = {@OUT@};
    void *inputs[@NUM_IN@ + 1], *outputs[@NUM_OUT@ + 1];
    FILE *file = fopen("given.bin", "rb");
    void *weights = made(@WEIGHTS@, @ALIGNMENT@), *arena = made(@ARENA@, @ALIGNMENT@);
    if (!file || fread(weights, 1, @WEIGHTS@, file) != @WEIGHTS@) return 4;
    for (int i = 0; i < @NUM_IN@; ++i) {
        inputs[i] = made(in[i], 8);
        if (fread(inputs[i], 1, in[i], file) != in[i]) return 4;
    }
    fclose(file);
    for (int i = 0; i < @NUM_OUT@; ++i) outputs[i] = made(out[i], 8);
    @NAME@_run((const void *const *)inputs, outputs, weights, arena);
    file = fopen("found.bin", "wb");
    if (!file) return 5;
    for (int i = 0; i < @NUM_OUT@; ++i) {
        if (fwrite(outputs[i], 1, out[i], file) != out[i]) return 5;
        free(outputs[i]);
    }
    fclose(file);
    for (int i = 0; i < @NUM_IN@; ++i) free(inputs[i]);
    free(weights);
    free(arena);
    return 0;
}
"""


def is_there(compiler: str) -> bool:
    """Say whether a compiler of `COMPILERS` is installed."""
    return shutil.which(COMPILERS[compiler][0]) is not None


def run_sanitized(
    compiled: Compiled, arrays: Sequence[np.ndarray], compiler: str, folder: Path
) -> list[np.ndarray]:
    """Build the C of a program with sanitizers, run it once, and give its outputs.

    Raises:
        AssertionError: A sanitizer stopped the program; the message holds what it said.
    """
    interface = compiled.interface
    name = compiled.header.split()[1].rstrip(":")
    facts = {
        "IN": ", ".join([str(record["bytes"]) for record in interface["inputs"]] or ["0"]),
        "OUT": ", ".join([str(record["bytes"]) for record in interface["outputs"]] or ["0"]),
        "NUM_IN": len(interface["inputs"]),
        "NUM_OUT": len(interface["outputs"]),
        "WEIGHTS": compiled.weight_bytes,
        "ARENA": compiled.arena_bytes,
        "ALIGNMENT": interface["alignment"],
        "NAME": name,
    }
    main = _MAIN
    for key, value in facts.items():
        main = main.replace(f"@{key}@", str(value))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.c").write_text(compiled.source)
    (folder / "model.h").write_text(compiled.header)
    (folder / "main.c").write_text(main)
    given = [compiled.weights, *(array.tobytes() for array in arrays)]
    (folder / "given.bin").write_bytes(b"".join(given))
    command = [word.replace("NAME", name) for word in COMPILERS[compiler]]
    subprocess.run(
        [*command, "-std=c99", "-o", "program", "model.c", "main.c", "-lm"],
        cwd=folder,
        check=True,
        capture_output=True,
    )
    done = subprocess.run([folder / "program"], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, f"{compiler}: {done.returncode}\n{done.stderr[-3000:]}"
    content, start, found = (folder / "found.bin").read_bytes(), 0, []
    for record in interface["outputs"]:
        part = content[start : start + record["bytes"]]
        found.append(np.frombuffer(part, record["dtype"]).reshape(record["shape"]))
        start += record["bytes"]
    return found
