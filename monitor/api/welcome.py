"""What a browser sees in place of the page: how to get a session, or that nothing is there."""

from __future__ import annotations

import re
from html import escape

from starlette.requests import Request
from starlette.responses import HTMLResponse

from monitor.errors import Problem

_FRAME = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
{refresh}<title>ganwatch</title>
<style>
  :root {{
    --paper: #f6f5f1; --surface: #fffefc; --line: #e0ddd4; --ink: #1b1d21; --ink-2: #4c4f56;
    --accent: #0b5d68;
    --on-accent: #ffffff; color-scheme: light dark;
    font: 15px/1.5 "Inter", -apple-system, "Segoe UI", Roboto, "Liberation Sans", Arial, sans-serif;
  }}
  @media (prefers-color-scheme: dark) {{
    :root {{
      --paper: #101316; --surface: #181c20; --line: #2b3137; --ink: #e9e7e1; --ink-2: #b4b6ba;
      --accent: #6cc3cc;
      --on-accent: #0b1416;
    }}
  }}
  body {{ margin: 0; background: var(--paper); color: var(--ink); }}
  header {{
    padding: .9rem clamp(1rem, 2.2vw, 2rem); border-bottom: 1px solid var(--line);
    background: var(--surface);
  }}
  header a {{ font-weight: 700; color: inherit; text-decoration: none; }}
  main {{
    width: min(34rem, 100% - 2rem); margin: 14vh auto 0; padding: 1.5rem 1.75rem; box-sizing: border-box;
    border: 1px solid var(--line); border-radius: 10px; background: var(--surface);
  }}
  h1 {{ margin: 0 0 .5rem; font-size: 1.4rem; line-height: 1.3; }}
  p {{ margin: .5rem 0 1rem; color: var(--ink-2); }}
  a {{ color: var(--accent); }}
  input {{
    font: inherit; width: 100%; box-sizing: border-box; padding: .5rem; margin: .25rem 0 .75rem;
    color: inherit;
    border: 1px solid var(--ink-2); border-radius: 6px; background: var(--paper);
  }}
  button {{
    font: inherit; font-weight: 600; padding: .5rem 1.25rem; border: 0; border-radius: 6px;
    background: var(--accent); color: var(--on-accent);
  }}
  code {{ background: color-mix(in srgb, currentColor 12%, transparent); padding: .1em .3em; }}
</style>
</head>
<body>
<header><a href="/">ganwatch</a></header>
<main>
<h1>{title}</h1>
<p>{detail}</p>
{more}
</main>
</body>
</html>
"""
_HOW_TO_ENTER = """<p>Open the link that the service printed when it started, or paste its token:</p>
<form method="post" action="/login">
  <input type="hidden" name="next" value="{target}">
  <label>Token <input type="password" name="token" autocomplete="current-password" required autofocus></label>
  <button>Enter</button>
</form>"""
_WAY_BACK = '<p><a href="/">The runs</a></p>'
#: A browser keeps a strict cookie back when another site's link led here; asked by this page, it sends it.
_REFRESH = '<meta http-equiv="refresh" content="0">\n'


def welcome_page(request: Request, problem: Problem, target: str | None = None) -> HTMLResponse:
    query = request.scope["query_string"].decode("latin-1")
    is_from_elsewhere = request.headers.get("sec-fetch-site") in {"cross-site", "same-site"}
    target = target if target is not None else _target(request.scope["path"], query)
    page = _FRAME.format(
        title="ganwatch",
        refresh=_REFRESH if is_from_elsewhere and "token=" not in query else "",
        detail=_with_commands(problem.detail),
        more=_HOW_TO_ENTER.format(target=escape(target)),
    )
    return HTMLResponse(page, problem.status, headers=problem.headers)


def wrong_page(problem: Problem) -> HTMLResponse:
    page = _FRAME.format(
        title=escape(problem.title), refresh="", detail=_with_commands(problem.detail), more=_WAY_BACK
    )
    return HTMLResponse(page, problem.status, headers=problem.headers)


def wants_page(request: Request) -> bool:
    """Whether a person follows a link; programs ask under /api/."""
    is_api = request.scope["path"].startswith("/api/")
    return request.method == "GET" and "text/html" in request.headers.get("accept", "") and not is_api


def _with_commands(detail: str) -> str:
    """What stands between backticks is something to type."""
    return re.sub("`([^`]+)`", r"<code>\1</code>", escape(detail))


def _target(path: str, query: str) -> str:
    return f"{path}?{query}" if query and "token=" not in query else path
