"""The plan of a dataset: a tree of immutable steps, each from (epoch, position) to what is below.

`node` says what a step is; `order`, `apply`, `stack`, `combine` and `ragged` hold the steps by what
they do; `keep` and `split` those that remember something. `build` checks what a user asks for.
"""
