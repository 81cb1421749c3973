"""The plan of a dataset: a tree of immutable steps, each from (epoch, position) to what is below.

`node` says what a step is; `read`, `order`, `apply`, `stack`, `unstack`, `combine`, `ragged` and
`keep` hold the steps by what they do, `choices` the parts of splits. `tap` takes elements from
streams. `build` checks what a user asks for.
"""
