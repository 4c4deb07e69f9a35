"""What type checkers know about the public interface; read by mypy and basedpyright in ``make types``, never run."""
