import json
import subprocess
from pathlib import Path

from kolam.web import LiveModel
from kolam.web._declaration import declaration


def check_types(node: str, node_modules: Path, live: LiveModel, folder: Path, use: str) -> str:
    """Type-check a program that uses an export; gives what the checker says."""
    (folder / "package.json").write_text('{"type": "module"}')
    (folder / "model.d.ts").write_text(declaration(live))
    (folder / "use.ts").write_text(use)
    tsc = node_modules / "typescript" / "bin" / "tsc"
    command = [node, str(tsc), "--noEmit", "--strict", "--ignoreConfig", "--target", "es2022"]
    command += ["--module", "nodenext", str(folder / "use.ts")]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def test_the_declaration_takes_real_rows_and_gives_typed_labels(
    node: str,
    node_modules: Path,
    lives: dict[str, LiveModel],
    rows: list[dict[str, object]],
    tmp_path: Path,
) -> None:
    row = json.dumps(rows[1])
    use = f"""
        import {{ load, type Label }} from "./model.js";
        const model = await load();
        const label: Label = model.predict({row}).label;
        const truth: boolean = label;
        const first: number = model.scores({row})[0];
        model.model.inputs.features.fill(0);
        export {{ truth, first }};
    """
    assert check_types(node, node_modules, lives["binary"], tmp_path, use) == ""


def test_a_row_without_a_column_is_a_type_error(
    node: str,
    node_modules: Path,
    lives: dict[str, LiveModel],
    rows: list[dict[str, object]],
    tmp_path: Path,
) -> None:
    row = {name: value for name, value in rows[1].items() if name != "age"}
    use = f"""
        import {{ load }} from "./model.js";
        (await load()).predict({json.dumps(row)});
    """
    assert """Property '"age"' is missing""" in check_types(
        node, node_modules, lives["binary"], tmp_path, use
    )


def test_a_value_of_the_wrong_type_is_a_type_error(
    node: str,
    node_modules: Path,
    lives: dict[str, LiveModel],
    rows: list[dict[str, object]],
    tmp_path: Path,
) -> None:
    row = {**rows[1], "age": "old"}
    use = f"""
        import {{ load }} from "./model.js";
        (await load()).predict({json.dumps(row)});
    """
    assert "'string' is not assignable" in check_types(
        node, node_modules, lives["binary"], tmp_path, use
    )


def test_a_regression_answers_with_a_number(lives: dict[str, LiveModel]) -> None:
    assert "export type Label = number;" in declaration(lives["regression"])


def test_classes_are_a_union_of_what_they_are(lives: dict[str, LiveModel]) -> None:
    text = declaration(lives["multiclass"])
    assert '"<i>high</i>" | "low" | "middle"' in text
