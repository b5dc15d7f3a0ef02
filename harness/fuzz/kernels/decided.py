"""Statements that a tensor of indices decides: whether they run, and how often."""

from __future__ import annotations

from hypothesis import strategies as st

from harness.fuzz.kernels.scene import Scene


def asked(draw: st.DrawFn, scene: Scene, turns: int = 0) -> str:
    """An element of a new table, by the block and perhaps by one of ``turns`` turns ``k``."""
    gx, gy, gz = scene.grid((scene.bm, scene.bn))
    sizes = {"k": turns} if turns else {}
    sizes |= {"by": gx if scene.axes == 1 else gy}
    sizes |= {"bx": gx} if scene.axes > 1 else {}
    sizes |= {"bz": gz} if scene.axes > 2 else {}
    names = draw(st.lists(st.sampled_from(sorted(sizes)), min_size=1, max_size=3, unique=True))
    table = scene.tensor("D", tuple(sizes[v] for v in names), "int32")
    scene.tables.append(table)
    first = f"{table}[{', '.join(names)}]"
    if draw(st.integers(0, 3)) < 3:
        return first
    held = draw(st.integers(1, 8))  # which asks another
    table = scene.tensor("D", (held,), "int32")
    scene.tables.append(table)
    return f"{table}[T.max({first}, 0) % {held}]"


def condition(draw: st.DrawFn, scene: Scene, turns: int = 0) -> str:
    """A condition on an element of a table, alone or beside one on the block."""
    test = f"{asked(draw, scene, turns)} {draw(st.sampled_from(('> 0', '!= 1', '== 2', '<= 1')))}"
    beside = draw(st.sampled_from(("{}", "{}", "T.And(by > 0, {})", "T.Or(by % 2 == 0, {})")))
    return beside.format(test)


def skipped(draw: st.DrawFn, scene: Scene) -> None:
    """Blocks added up but for those a table leaves out."""
    if not scene.whole:
        return
    turns = draw(st.integers(1, 3))
    scene.add_up(turns, _turn(scene, turns), draw(st.integers(0, 2)),
                 test=condition(draw, scene, turns))  # fmt: skip


def counted(draw: st.DrawFn, scene: Scene) -> None:
    """Blocks added up as often as a table says, or from the turn on that one says."""
    if not scene.whole:
        return
    most = draw(st.integers(1, 3))
    count = asked(draw, scene)
    trips = draw(st.sampled_from((count, f"T.min({count}, {most})", f"{count} + 1",
                                  f"{count}, {most}")))  # fmt: skip
    scene.add_up(trips, _turn(scene, most))


def _turn(scene: Scene, turns: int) -> str:
    """This block of turn ``k`` of a new tensor."""
    lead: tuple[int, ...] = (scene.batch,) if scene.axes == 3 else ()
    source = scene.tensor("H", (turns, *lead, scene.M, scene.N), scene.dtype)
    return f"{source}[k, {scene.start()}]"
