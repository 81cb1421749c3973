"""What a process sets up before its first compilation."""

from functools import cache

from kolam.core._files import home_folder
from kolam.core._memory import keep_memory


@cache
def prepare_jax() -> None:
    """Turn on JAX's compilation cache in the home folder, unless the user has chosen one.

    On Linux the allocator is also told to keep memory between calls. Called before the first
    compilation of a process by every room that compiles.
    """
    import jax  # here: costs 0.7 s

    if keep_memory():
        # a program then runs in the thread that calls it, whose memory is the one that is kept
        jax.config.update("jax_cpu_enable_async_dispatch", False)

    if jax.config.jax_compilation_cache_dir is None:
        jax.config.update("jax_compilation_cache_dir", str(home_folder() / "cache" / "xla"))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
        jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
