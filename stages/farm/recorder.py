"""What DVC does around a stage's command, with each dependency hashed once.

Plain DVC hashes the recipe, the protocol and the settings anew for every round. Here what was read
of a file holds as long as the file's time, size and number stay; of a folder as long as no stage
writes into it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages.farm import lockfile

if TYPE_CHECKING:
    from dvc.output import Output
    from dvc.stage import PipelineStage

Seen = tuple[Any, Any, Any]  # state of the file, DVC's hash_info, DVC's meta


class Recorder:
    """Of one repository, whose lock is held."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, tuple[str, ...]], Seen] = {}

    def changed(self, stage: PipelineStage) -> bool:
        """What ``stage.changed()`` says."""
        if stage.changed_stage() or stage.is_callback or stage.always_changed:
            return True
        if not all(item.hash_info for item in (*stage.deps, *stage.outs)):
            return True  # it has never run: nothing to hash
        for dep in stage.deps:
            if not _exists(dep) or self._look(dep)[1] != dep.hash_info:
                return True
        return any(out.status() for out in stage.outs)

    def missing(self, stage: PipelineStage) -> list[str]:
        """Dependencies that are not there."""
        return [str(dep) for dep in stage.deps if not _exists(dep)]

    def begin(self, stage: PipelineStage) -> None:
        """Take the outputs away, as before each run."""
        for out in stage.outs:
            if out.persist:
                out.unprotect()
            else:
                out.remove(ignore_remove=False)
            for path in (Path(out.fs_path), *Path(out.fs_path).parents):
                self._seen.pop((str(path), ()), None)

    def record(self, stage: PipelineStage) -> str:
        """Hash what lies there, put it into the cache; the text of the stage's entry in dvc.lock.

        Raises:
            DvcException: an output is missing, or cannot be put into the cache.
            OSError: as a full disk is.
        """
        from dvc.stage.serialize import to_single_stage_lockfile

        for dep in stage.deps:
            _, dep.hash_info, dep.meta = self._look(dep)
        stage.save_outs()
        stage.md5 = stage.compute_md5()
        if all(out.use_cache or out.is_metric or out.is_plot for out in stage.outs):
            stage.repo.stage_cache.save(stage)  # others DVC never looks for there
        for out in stage.outs:
            out.commit()
            self._seen[_key(out)] = _state(out.fs_path), out.hash_info, out.meta
        _forget_listings()
        return lockfile.dumped(stage.name, to_single_stage_lockfile(stage))

    def _look(self, dep: Output) -> Seen:
        key, state = _key(dep), _state(dep.fs_path)
        if key not in self._seen or self._seen[key][0] != state:
            before = dep.hash_info, dep.meta
            dep.save()
            self._seen[key] = state, dep.hash_info, dep.meta
            dep.hash_info, dep.meta = before
        return self._seen[key]


def _forget_listings() -> None:
    """Empty what DVC keeps of folders in memory: each look at it goes over all that was ever there.

    To be called when outputs are in the cache, which is where they come from then.
    """
    import fsspec

    memory = fsspec.filesystem("memory")
    memory.store.clear()
    memory.pseudo_dirs[:] = [""]


def _key(item: Output) -> tuple[str, tuple[str, ...]]:
    return item.fs_path, tuple(map(str, getattr(item, "params", None) or ()))


def _exists(dep: Output) -> bool:
    return dep.exists if dep.protocol != "local" else os.path.exists(dep.fs_path)


def _state(path: str) -> tuple[int, ...]:
    """When a file was written and how large it is; when a folder's own list was."""
    try:
        found = os.stat(path)
    except OSError:
        return ()
    return found.st_mtime_ns, found.st_size, found.st_ino
