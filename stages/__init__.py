"""aledger: deep active-learning studies as chains of small committed files, grown by DVC."""

from __future__ import annotations

import sys

if sys.argv[:1] == ["-m"]:  # python -m stages.<name> is on its way
    from stages.machine import signals

    signals.guard()
