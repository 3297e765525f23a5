"""What aot_builtins compiles and loads: a small framework in several versions, and user code."""
