"""Errors that a user can cause, and that deserve one clear line."""

from eqlandmarks.system import console


class UserError(ValueError):
  """Something in the user's flags, files or data is not as it must be.

  The message is one line: which file, field or flag, what was found, and what
  was expected. `main.py` prints it without a traceback and exits with 2. What
  would break the line, or steer a terminal, in a file's name say, is escaped.
  """

  def __init__(self, message: str = ''):
    super().__init__(console.one_line(message))

  def _render_traceback_(self) -> list[str]:
    """What a notebook shows in the place of a traceback."""
    return [f'error: {self}']
