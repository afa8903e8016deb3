"""Opens a page from disk, and fails where it complains or loads anything."""

import contextlib


@contextlib.contextmanager
def opened(browser, path, *, width=1200, complaints=()):
  """The page in a tab of its own.

  Args:
    browser: the fixture.
    path: the page.
    width: of the window, in pixels.
    complaints: beginnings of what its console may say.
  """
  context = browser.new_context(
      viewport={'width': width, 'height': 900}, accept_downloads=True
  )
  tab, said = context.new_page(), []
  tab.on('console', lambda m: m.type == 'error' and said.append(m.text))
  tab.on('pageerror', lambda error: said.append(str(error)))
  tab.on('request', lambda r: r.url.startswith('http') and said.append(r.url))

  def refuse(dialog):
    said.append(dialog.message)
    dialog.dismiss()

  tab.on('dialog', refuse)
  tab.goto(path.as_uri())
  tab.wait_for_selector('html[data-ready=true]')
  yield tab
  assert [s for s in said if not s.startswith(tuple(complaints))] == []
  context.close()


def download(tab, selector, path):
  """Puts what a button downloads at a path."""
  with tab.expect_download() as started:
    tab.click(selector)
  started.value.save_as(path)
  return started.value.suggested_filename
