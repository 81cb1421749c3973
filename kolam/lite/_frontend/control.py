"""Loops, branches, calls, and what passes its operands on."""

from kolam.graph import Block
from kolam.lite._frontend.step import Step, Translation, Values
from kolam.lite._program import Node, Region, Value

# annotations for compilers of several machines
_ANNOTATIONS = ("Sharding", "annotate_device_placement", "SPMDFullToShardShape")


def _call(step: Step) -> Values:
    return step.call(str(step.attribute("callee")))


def _composite(step: Step) -> Values:
    return step.call(str(step.attribute("decomposition")))


def _same(step: Step) -> Values:
    return step.operands


def _custom_call(step: Step) -> Values:
    target = str(step.attribute("call_target_name"))
    if target in _ANNOTATIONS:
        return step.operands
    raise step.unsupported(
        f"The operation stablehlo.custom_call ({target})",
        "Write this step with plain `jax.numpy` operations.",
    )


def _while(step: Step) -> Values:
    """What the regions capture is carried along unchanged."""
    captured, outer = _captured(step)
    condition, body = (
        step.scope.closed(block, step.operation, captured) for block in step.operation.regions
    )
    kept = body.arguments[len(step.operands) :]
    body = Region(body.arguments, body.nodes, body.results + kept)
    carried = (*step.operands, *outer)
    results = tuple(value.like() for value in carried)
    step.build.add(Node("while", carried, results, {}, (condition, body), step.operation.where))
    return results[: len(step.operands)]


def _case(step: Step) -> Values:
    captured, outer = _captured(step)
    regions = tuple(
        step.scope.closed(block, step.operation, captured) for block in step.operation.regions
    )
    if step.operation.name == "stablehlo.if":
        regions = regions[::-1]
    return step.emit("case", (*step.operands, *outer), *regions)


def _captured(step: Step) -> tuple[list[int], tuple[Value, ...]]:
    identities = captures(step.operation.regions)
    return identities, tuple(step.scope.value(identity) for identity in identities)


def captures(blocks: tuple[Block, ...]) -> list[int]:
    """List the ids that blocks use and do not define, in order of first use."""
    defined: set[int] = set()
    used: list[int] = []

    def visit(block: Block) -> None:
        defined.update(block.arguments)
        for operation in block.operations:
            used.extend(operation.operands)
            for region in operation.regions:
                visit(region)
            defined.update(operation.results)
        used.extend(block.returns)

    for block in blocks:
        visit(block)
    return list(dict.fromkeys(identity for identity in used if identity not in defined))


CONTROL: dict[str, Translation] = {
    "func.call": Translation(_call, "fiub", "inlined"),
    "stablehlo.case": Translation(_case, "fiub"),
    "stablehlo.composite": Translation(_composite, "fiub", "its decomposition is inlined"),
    "stablehlo.custom_call": Translation(_custom_call, "fiub", "annotations of sharding only"),
    "stablehlo.if": Translation(_case, "fiub"),
    "stablehlo.optimization_barrier": Translation(_same, "fiub"),
    "stablehlo.while": Translation(_while, "fiub"),
}
