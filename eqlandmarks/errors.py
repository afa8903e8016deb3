"""Errors that a user can cause, and that deserve one clear line."""


class UserError(ValueError):
  """Something in the user's flags, files or data is wrong.

  The message is one line: which file, field or flag, what was found, and what
  was expected. `main.py` prints it without a traceback and exits with 2.
  Characters that would break the line or control a terminal, in a file's name
  say, are escaped.
  """

  def __init__(self, message: str = ''):
    super().__init__(one_line(message))

  def _render_traceback_(self) -> list[str]:
    """What a notebook shows instead of a traceback."""
    return [f'error: {self}']


def printable(text: str) -> str:
  r"""Text with what a terminal would obey or not show as \x1b and the like.

  Names of files can hold any character. Ends of lines stay.
  """
  return ''.join(
      c if c.isprintable() or c == '\n' else _escape(c) for c in text
  )


def one_line(text: str) -> str:
  """As `printable`, with the ends of lines escaped as well."""
  return printable(text).replace('\n', '\\n')


def _escape(character: str) -> str:
  return character.encode('unicode_escape').decode('ascii')
