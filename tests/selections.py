"""Which test files the environments of tox run: tox.ini names a selection of these lists.

A new file goes into one list: EVERY, where it holds what is compiled for each interpreter, or lies
in wait inside of one; ENDS, where the oldest and the newest are enough of what may differ; ONCE,
where one interpreter tells all. PURE is what may differ where nothing was compiled.
"""

from __future__ import annotations

# What each interpreter has an own build of, and what hooks into its imports and its start.
EVERY = """
    cursor_ring datagrams fault_live flag_layout imports inside_environ inside_imports inside_locks
    inside_probe inside_site live_process live_region live_run public_face recorder refcounts
    refcounts_checked references ring ring_api ring_deaths ring_hostile ring_names ring_objects
    ring_views spinloop spinloop_hostile spinloop_rungs status stubs subject_aot_builtins
    subject_probes subject_shared_region wait_strategies
""".split()

# What uses of the interpreter's library alone: start-up, processes, programs and plugins, faults,
# signals to the command, gates and traps in live runs; and that the simulated machine does
# everywhere as it does here. What came with a version between is still there in the newest.
ENDS = """
    attach attach_refused bench cli_interrupted cluster cluster_parts cpu fault_abi fault_starting
    fault_surroundings fault_wakes gate gate_batches gate_raise golden_tapes journal live_hangs
    live_pythons live_watcher nemesis plugins programs spinloop_fuzz spinloop_replaces spying
    standstill startup_scenarios steps_live subject_borrowed_constants subject_kernel_loader
    subject_lazy_backend subject_loader_deaths subject_parallel_import subject_start_method trap
    transport_kit trap_disturbed trap_rings trap_signals trying
    virtual_determinism watch watch_monitor
""".split()

# The fallback's own: rings and waits on it, live runs, and what the commands say of it. What asks
# for no kernel is the same there as anywhere.
PURE = """
    cpu cpu_override cursor_ring datagrams doctor fault_live fault_starting fault_surroundings
    flag_layout journal live_process live_pythons live_region live_run programs public_face
    pure_kernels pure_runs recorder ring ring_api ring_deaths ring_hostile ring_names ring_objects
    ring_views spinloop spinloop_hostile spinloop_rungs status trying wait_strategies
""".split()

ONCE = {
    "our own Python, which uses nothing that interpreters differ in": """
        bench_figures bundle checker_degradation checker_environ checker_exits checker_fifo
        checker_imports cluster_files cluster_reports
        checker_leaks checker_liveness checker_logs checker_no_duplicates checker_no_loss
        checker_no_tearing checker_refcounts checkers_model cli_crew cli_run cli_selection
        cli_streams cli_usage cpu_override doctor fault_guide hang_across hang_observed
        hang_programs hang_flags hang_shared ladder report_formats report_hangs scenario_bad_input
        scenario_lines scenario_plan scenario_programs scenario_schema scenario_sweep_plan
        steps_scenario verdict
    """.split(),
    "what the scenarios find: tox runs scenarios/smoke and reads all": """
        attach_agrees fault_conformance remote_readers scenarios_negative scenarios_startup
        scenarios_suite
    """.split(),
    "the simulated machine, what explores it, and machine instructions: all that is C": """
        check explore_command explore_coverage explore_deadlines explore_evidence explore_exhaustive
        explore_judging explore_monitors explore_programs explore_reduction explore_small_rings
        explore_views fibers lifecycle litmus litmus_axioms litmus_live litmus_random op_sets
        portable_fibers replay_live shrinking spinloop_mutants tape tapes_commands
        trap_instructions trap_storm virtual_cli virtual_hang_runs virtual_hangs virtual_mutants
        virtual_schedulers virtual_swarm virtual_waits virtual_world wait_kit
    """.split(),
    "builds again, or tries every interpreter of the host by itself": """
        aarch64 abi3 cpu_leaves damage damage_making environments install interpreters matrix
        newest_pythons
    """.split(),
    "what cleans up after a run": "litter_check litter_disk litter_doctor litter_ends".split(),
    "reads the sources, the documents, or tests the tests": """
        docs_abi docs_attaching docs_broken_extensions docs_commands docs_evidence
        docs_missing_fence docs_protocol docs_replaying_live docs_ring_api docs_watching
        pytest_plugin pytest_plugin_ends pytest_watch selections tidy tidy_shm tidy_skips
    """.split(),
    "what pure kernels do, and the pure installation does it": ["pure_kernels", "pure_runs"],
}

SELECTIONS = {"every": {*EVERY}, "ends": {*EVERY, *ENDS}, "pure": {*PURE}}


def is_left_out(selection: str, file: str) -> bool:
    """By the name of the file; what is no test is not left out."""
    prefix, name = file[: len("test_")], file[len("test_") : -len(".py")]
    return prefix == "test_" and name not in SELECTIONS[selection]
