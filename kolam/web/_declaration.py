"""The types of one exported model, for editors and for TypeScript."""

import json
from collections.abc import Sequence
from typing import Any

from kolam.web._live import LiveModel

# a longer vocabulary would be slower to read than to look up in features.json
_MOST_VALUES = 64

_HEAD = """\
// What the model of this folder takes and gives.

/** One row: every column by name; null is a missing value. */
export interface Row {
%(fields)s
}

export type Label = %(label)s;

export interface Answer {
  /** The label in its own type. */
  label: Label;
  /** %(scores)s */
  scores: Float32Array;
}

/** What a form needs to know of a column. */
export interface Column {
  name: keyof Row & string;
  kind: "number" | "category" | "boolean" | "date";
  reads: "number" | "text" | "boolean" | "date";
  typical: string | number | boolean | null;
  minimum: string | number | null;
  maximum: string | number | null;
  step: number | null;
  values: (string | number)[];
  optional: boolean;
}

/** The compiled program; its arrays are views on one memory that never grows. */
export interface Model {
  readonly inputs: { readonly features: Float32Array };
  readonly outputs: { readonly scores: Float32Array };
  /** Copy in, compute, copy out. */
  run(inputs: { features: ArrayLike<number> }): { scores: Float32Array };
  /** Compute `outputs` from what stands in `inputs`, without any copy. */
  call(): void;
}

export interface Predictor {
  readonly label: string;
  readonly task: "binary" | "multiclass" | "regression";
  readonly classes: readonly Label[];
  readonly columns: readonly Column[];
  readonly model: Model;
  predict(row: Row): Answer;
  scores(row: Row): Float32Array;
}

/** Load the model; `source` is the URL of another folder that holds one. */
export function load(source?: string | URL): Promise<Predictor>;
"""


def declaration(live: LiveModel) -> str:
    """Write the TypeScript declaration of an exported model."""
    columns: Any = live.features["columns"]  # Any: JSON, of the form in docs/specs/features.md
    fields = [
        f"  {_quoted(column['name'])}: {_column_type(column['kind'], column['input'])} | null;"
        for column in columns
    ]
    scores = (
        "One value, in the units of the label."
        if live.task == "regression"
        else f"A probability for each of the {len(live.classes)} classes, in their order."
    )
    label = "number" if live.task == "regression" else _union(live.classes)
    return _HEAD % {"fields": "\n".join(fields), "label": label, "scores": scores}


def _column_type(kind: str, column: dict[str, Any]) -> str:  # Any: JSON
    if kind == "number":
        return "number"
    if kind == "boolean":
        return "boolean"
    if kind == "date":
        return "string"
    # other values than the known ones are allowed, and still the known ones are offered
    wide = "number" if column["reads"] == "number" else "string"
    known = _union(column["values"]) if column["values"] else wide
    return known if known == wide else f"{known} | ({wide} & {{}})"


def _union(values: Sequence[object]) -> str:
    if len(values) > _MOST_VALUES:
        kinds = {bool: "boolean", int: "number", float: "number"}
        return " | ".join(sorted({kinds.get(type(value), "string") for value in values}))
    return " | ".join(map(_quoted, values))


def _quoted(value: object) -> str:
    return json.dumps(value, ensure_ascii=True)  # also valid TypeScript, whatever a name holds
