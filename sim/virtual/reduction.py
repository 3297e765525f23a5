"""What shrinking takes away from a plan: readers, messages, their bytes, injections."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Iterator, Optional, Sequence, Tuple

from sim.scenario.plan import (
    AfterOps,
    AtProbe,
    AtStep,
    AtTime,
    Injection,
    Plan,
    ProcessPlan,
    WriterWorkload,
)

LEAST_MESSAGE_BYTES = 8  # a message's number


@dataclass(frozen=True)
class Reduction:
    """Of the plan that a scenario and a seed make. None leaves it as it is.

    The indices are those of the whole plan, so a reduction stands for itself.
    """

    readers: Optional[Tuple[int, ...]] = None  # ranks that stay
    injections: Optional[Tuple[int, ...]] = None  # indices that stay
    messages: Optional[int] = None  # at most
    size_bytes: Optional[int] = None  # of a message, at most
    after_ops: Optional[int] = None  # of a trigger, at most

    def __str__(self) -> str:
        parts = [f"{name} {value}" for name, value in asdict(self).items() if value is not None]
        return ", ".join(parts) or "none"

    def applied_to(self, plan: Plan) -> Plan:
        """The smaller plan. Injections go with their targets. Raises ValueError where the plan
        has no such reader or injection."""
        if plan.is_of_programs:  # nothing of it can be left out
            return plan
        ranks = {process.rank for process in plan.processes if process.rank is not None}
        kept = set(ranks if self.readers is None else self.readers)
        indices = {injection.index for injection in plan.injections}
        stay = set(indices if self.injections is None else self.injections)
        if not kept or not kept <= ranks:
            raise ValueError(f"readers {sorted(kept)} of {len(ranks)}")
        if not stay <= indices:
            raise ValueError(f"injections {sorted(stay)} of {len(indices)}")
        processes = self._processes(plan, kept)
        names = {process.name for process in processes}
        injections = tuple(
            self._injection(each)
            for each in plan.injections
            if each.index in stay and _concerns(each) <= names
        )
        headers = {process.name: process for process in plan.header.processes}
        ranks_of = {process.name: process.rank for process in processes}
        messages = {p.name: getattr(p.workload, "messages", None) for p in processes}
        indices = {injection.index for injection in injections}
        header = replace(
            plan.header,
            readers=len(kept),
            processes=tuple(
                replace(headers[name], rank=ranks_of[name], messages=messages[name])
                for name in ranks_of
            ),
            faults=tuple(each for each in plan.header.faults if each.index in indices),
        )
        return replace(
            plan,
            transport=replace(plan.transport, readers=len(kept)),
            processes=processes,
            injections=injections,
            header=header,
        )

    def _processes(self, plan: Plan, kept: set[int]) -> Sequence[ProcessPlan]:
        processes = []
        rank = 0
        for process in plan.processes:
            work = process.workload
            if isinstance(work, WriterWorkload):
                process = replace(process, workload=self._workload(work))
            elif process.rank in kept:
                process = replace(process, rank=rank)
                rank += 1
            else:
                continue
            processes.append(process)
        return tuple(processes)

    def _workload(self, work: WriterWorkload) -> WriterWorkload:
        messages = work.messages if self.messages is None else min(work.messages, self.messages)
        sizes = work.sizes_bytes if len(work.sizes_bytes) == 1 else work.sizes_bytes[:messages]
        if self.size_bytes is not None:
            sizes = tuple(min(size, self.size_bytes) for size in sizes)
        return replace(work, messages=messages, sizes_bytes=sizes)

    def _injection(self, injection: Injection) -> Injection:
        trigger = injection.trigger
        if self.after_ops is None or isinstance(trigger, (AtTime, AtProbe)):
            return injection
        if isinstance(trigger, AfterOps):
            return replace(
                injection, trigger=replace(trigger, count=min(trigger.count, self.after_ops))
            )
        after_ops = min(trigger.after_ops, self.after_ops)
        return replace(injection, trigger=replace(trigger, after_ops=after_ops))


def _concerns(injection: Injection) -> set[str]:
    trigger = injection.trigger
    at = {trigger.process} if isinstance(trigger, (AfterOps, AtStep)) else set()
    return {injection.fault.target} | at


NOTHING = Reduction()


def smaller(plan: Plan, so_far: Reduction) -> Iterator[Reduction]:
    """Reductions that take more away than `so_far`, which are worth a try: the boldest of each
    kind first. `plan` is the whole one."""
    now = so_far.applied_to(plan)
    stay = [injection.index for injection in now.injections]
    if stay:
        yield replace(so_far, injections=())
    for one in stay if len(stay) > 2 else ():
        yield replace(so_far, injections=(one,))
    for gone in stay if len(stay) > 1 else ():
        yield replace(so_far, injections=tuple(each for each in stay if each != gone))
    readers = so_far.readers or tuple(p.rank for p in plan.processes if p.rank is not None)
    if len(readers) > 1:
        for kept in readers:
            yield replace(so_far, readers=(kept,))
    if len(readers) > 2:
        for gone in readers:
            yield replace(so_far, readers=tuple(each for each in readers if each != gone))
    work = next(p.workload for p in now.processes if isinstance(p.workload, WriterWorkload))
    for messages in _halvings(work.messages, 1):
        yield replace(so_far, messages=messages, after_ops=_capped(now, messages))
    for size_bytes in _halvings(max(work.sizes_bytes, default=0), LEAST_MESSAGE_BYTES):
        yield replace(so_far, size_bytes=size_bytes)


def with_another_reader(plan: Plan, so_far: Reduction) -> Optional[Reduction]:
    """One reader less is taken away; None: all are there."""
    ranks = [process.rank for process in plan.processes if process.rank is not None]
    gone = [rank for rank in ranks if so_far.readers is not None and rank not in so_far.readers]
    if so_far.readers is None or not gone:
        return None
    return replace(so_far, readers=tuple(sorted([*so_far.readers, gone[0]])))


def _halvings(now: int, least: int) -> Iterator[int]:
    """From the smallest to the one below `now`: least, 2 * least, 4 * least ..., now - 1."""
    value = least
    while value < now:
        yield value
        value *= 2
    if least < now - 1:
        yield now - 1


def _capped(plan: Plan, messages: int) -> Optional[int]:
    """Triggers wait for no more operations than there will be."""
    counted = any(isinstance(each.trigger, (AfterOps, AtStep)) for each in plan.injections)
    return messages - 1 if counted else None
