"""Gather, scatter and reductions: attributes that say how indices are read."""

from kolam.lite._frontend.step import Step, Translation, Values, with_captured


def _gather(step: Step) -> Values:
    numbers = step.attribute("dimension_numbers")
    return step.emit(
        "gather",
        step.operands,
        offset_dims=numbers.get("offset_dims", ()),
        collapsed=numbers.get("collapsed_slice_dims", ()),
        operand_batching=numbers.get("operand_batching_dims", ()),
        indices_batching=numbers.get("start_indices_batching_dims", ()),
        index_map=numbers.get("start_index_map", ()),
        index_vector_dim=numbers.get("index_vector_dim", 0),
        slice_sizes=step.numbers("slice_sizes", ()),
    )


def _scatter(step: Step) -> Values:
    """Operands, indices, updates; what the body captures is carried in arrays of its own."""
    numbers, count = step.attribute("scatter_dimension_numbers"), len(step.operands) // 2
    arrays, indices, updates = (
        step.operands[:count],
        step.operands[count],
        step.operands[count + 1 :],
    )
    body, captured = step.body()
    held = tuple(step.build.broadcast(value, arrays[0].shape) for value in captured)
    unread = tuple(step.build.broadcast(value, updates[0].shape) for value in captured)
    results = step.append(
        "scatter",
        (*arrays, *held, indices, *updates, *unread),
        tuple(value.type for value in (*arrays, *held)),
        with_captured(body, count, captured),
        window_dims=numbers.get("update_window_dims", ()),
        inserted=numbers.get("inserted_window_dims", ()),
        operand_batching=numbers.get("input_batching_dims", ()),
        indices_batching=numbers.get("scatter_indices_batching_dims", ()),
        index_map=numbers.get("scatter_dims_to_operand_dims", ()),
        index_vector_dim=numbers.get("index_vector_dim", 0),
    )
    return results[:count]


def _reduce(step: Step) -> Values:
    count = len(step.operands) // 2
    arrays, starts = step.operands[:count], step.operands[count:]
    body, captured = step.body()
    held = tuple(step.build.broadcast(value, arrays[0].shape) for value in captured)
    axes = tuple(sorted(step.numbers("dimensions", ())))
    results = step.build.reduce(
        with_captured(body, count, captured), arrays + held, starts + captured, axes
    )
    return results[:count]


INDEXING: dict[str, Translation] = {
    "stablehlo.gather": Translation(_gather, "fiub"),
    "stablehlo.reduce": Translation(_reduce, "fiub", "any body of scalar arithmetic"),
    "stablehlo.scatter": Translation(_scatter, "fiub", "any body of scalar arithmetic"),
}
