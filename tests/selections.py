"""Which test files the environments of tox run: tox.ini names a selection of these lists.

A new file goes into one list: EVERY, where it holds what may differ from one interpreter to the
next; ENDS, where the oldest and the newest are enough of that; ONCE, where one interpreter tells
all. PURE is what may differ where nothing was compiled.
"""

from __future__ import annotations

# What talks to the interpreter itself: rings, waits, references, start-up, processes, live runs.
EVERY = """
    cpu cpu_override cursor_ring datagrams fault_live fault_starting flag_layout imports
    inside_environ inside_imports inside_locks inside_probe inside_site live_process live_region
    live_run public_face recorder refcounts refcounts_checked references ring ring_api ring_deaths
    ring_hostile ring_names ring_objects ring_views spinloop spinloop_hostile spinloop_rungs status
    stubs subject_aot_builtins subject_kernel_loader subject_loader_deaths subject_parallel_import
    subject_probes subject_shared_region subject_start_method wait_strategies watch watch_monitor
""".split()

# The same at length: programs and plugins, faults, signals to the command, gates and traps in live
# runs; and that the simulated machine does everywhere as it does here.
ENDS = """
    attach attach_refused bundle cli_interrupted cluster fault_abi fault_surroundings fault_wakes
    gate gate_batches gate_raise golden_tapes journal live_hangs live_pythons live_watcher nemesis
    plugins programs
    spinloop_fuzz spinloop_replaces spying standstill startup_scenarios steps_live
    subject_borrowed_constants subject_lazy_backend trap trap_disturbed trap_instructions trap_rings
    trap_signals trying virtual_determinism
""".split()

# Beside EVERY, less what needs kernels.
PURE = """
    cli_run doctor fault_surroundings journal live_pythons programs pure_kernels pure_runs
    trying
""".split()

ONCE = {
    "our own Python, which uses nothing that interpreters differ in": """
        checker_degradation checker_environ checker_exits checker_fifo checker_imports
        checker_leaks checker_liveness checker_logs checker_no_duplicates checker_no_loss
        checker_no_tearing checker_refcounts checkers_model cli_crew cli_run cli_selection
        cli_streams cli_usage doctor fault_guide hang_across hang_observed hang_programs
        hang_shared ladder report_formats report_hangs scenario_bad_input scenario_lines
        scenario_plan scenario_programs scenario_schema scenario_sweep_plan steps_scenario verdict
    """.split(),
    "what the scenarios find: tox runs scenarios/smoke and reads all": """
        attach_agrees fault_conformance scenarios_negative scenarios_startup scenarios_suite
    """.split(),
    "the simulated machine and what explores it, which are C": """
        explore_command explore_coverage explore_deadlines explore_evidence explore_exhaustive
        explore_judging explore_monitors explore_programs explore_reduction explore_small_rings
        explore_views fibers lifecycle litmus litmus_axioms litmus_live litmus_random op_sets
        portable_fibers replay_live shrinking spinloop_mutants tape tapes_commands trap_storm
        virtual_cli virtual_hang_runs virtual_hangs virtual_mutants virtual_schedulers
        virtual_swarm virtual_waits virtual_world
        wait_kit
    """.split(),
    "builds again, or tries every interpreter of the host by itself": """
        aarch64 abi3 cpu_leaves damage damage_making environments install interpreters matrix
        newest_pythons
    """.split(),
    "what cleans up after a run": "litter_check litter_disk litter_doctor litter_ends".split(),
    "reads the sources, the documents, or tests the tests": """
        docs_abi docs_attaching docs_broken_extensions docs_commands docs_missing_fence
        docs_protocol docs_ring_api docs_watching pytest_plugin pytest_plugin_ends pytest_watch
        selections tidy tidy_shm tidy_skips
    """.split(),
    "what pure kernels do, and the pure installation does it": ["pure_kernels", "pure_runs"],
}

SELECTIONS = {"every": {*EVERY}, "ends": {*EVERY, *ENDS}, "pure": {*EVERY, *PURE}}


def is_left_out(selection: str, file: str) -> bool:
    """By the name of the file; what is no test is not left out."""
    prefix, name = file[: len("test_")], file[len("test_") : -len(".py")]
    return prefix == "test_" and name not in SELECTIONS[selection]
