"""Early stopping that survives an interruption."""

from __future__ import annotations

from typing import Any

from monai.handlers import EarlyStopHandler


class ResumableEarlyStopHandler(EarlyStopHandler):
    """MONAI's EarlyStopHandler with a state for `TrainingStateHandler`; arguments are the same.

    Raises:
        ValueError: When its state is asked for or given before ``set_trainer``.
    """

    def state_dict(self) -> dict[str, Any]:
        """Return the best score and the number of epochs without a better one."""
        return dict(self._stopping().state_dict())

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over a best score and the number of epochs since."""
        self._stopping().load_state_dict(state_dict)

    def _stopping(self) -> Any:
        if self._handler is None:
            raise ValueError("early stopping must know the trainer it stops, got none. Call set_trainer first.")
        return self._handler
