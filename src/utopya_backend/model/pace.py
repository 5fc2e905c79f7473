"""How often a run looks at the clock: reading it may take as long as a step."""

MAX_STEPS = 64
"""How many steps may pass until all is done that depends on the time"""

STEPS_WITHOUT_A_LOOK = 8
"""How many steps may pass until it is seen that they take much longer than before"""

_INTERVAL = 1e-4  # s
"""How much time may pass in between, if the steps take as long as before. If they
become 10,000 times slower all at once, that is noticed after a second."""


class Pace:
    """How many steps a run may make before it looks at the clock again.

    Attributes:
        steps: That number, at least 1 and at most :py:data:`MAX_STEPS`
    """

    def __init__(self) -> None:
        """Begins carefully, with a single step."""
        self.steps = 1

    def is_late(self, seconds: float) -> bool:
        """Whether the steps take so long that no more should be made at once.

        Args:
            seconds: What the last ones took together
        """
        return seconds > 10 * _INTERVAL

    def update(self, *, steps: int, seconds: float) -> None:
        """Takes over how long the last steps took.

        Args:
            steps: Their number
            seconds: What they took together
        """
        if seconds * MAX_STEPS <= _INTERVAL * steps:
            self.steps = MAX_STEPS
        else:
            self.steps = max(1, int(_INTERVAL * steps / seconds))
