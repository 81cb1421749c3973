"""XLA's persistent compilation cache, on by default."""

from functools import cache

from kolam.core._files import home_folder


@cache
def prepare_jax() -> None:
    """Turn on JAX's compilation cache in the home folder, unless the user has chosen one.

    Called before the first compilation of a process by every room that compiles.
    """
    import jax  # here: costs 0.7 s

    if jax.config.jax_compilation_cache_dir is None:
        jax.config.update("jax_compilation_cache_dir", str(home_folder() / "cache" / "xla"))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)
        jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
