"""What a browser sees in place of the page: how to get a session, or that nothing is there."""

from __future__ import annotations

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
  :root {{ color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }}
  body {{ max-width: 34rem; margin: 18vh auto 0; padding: 0 1rem; }}
  input {{ font: inherit; width: 100%; box-sizing: border-box; padding: .5rem; margin: .25rem 0 .75rem; }}
  button {{ font: inherit; padding: .5rem 1.25rem; }}
  code {{ background: color-mix(in srgb, currentColor 12%, transparent); padding: .1em .3em; }}
</style>
</head>
<body>
<h1>ganwatch</h1>
<p>{detail}</p>
{more}
</body>
</html>
"""
_HOW_TO_ENTER = """<p>Open the link that the service printed when it started
(<code>ganwatch token</code> prints it again), or paste its token:</p>
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
        refresh=_REFRESH if is_from_elsewhere and "token=" not in query else "",
        detail=escape(problem.detail),
        more=_HOW_TO_ENTER.format(target=escape(target)),
    )
    return HTMLResponse(page, problem.status, headers=problem.headers)


def wrong_page(problem: Problem) -> HTMLResponse:
    page = _FRAME.format(refresh="", detail=escape(problem.detail), more=_WAY_BACK)
    return HTMLResponse(page, problem.status, headers=problem.headers)


def wants_page(request: Request) -> bool:
    """Whether a person follows a link; programs ask under /api/."""
    is_api = request.scope["path"].startswith("/api/")
    return request.method == "GET" and "text/html" in request.headers.get("accept", "") and not is_api


def _target(path: str, query: str) -> str:
    return f"{path}?{query}" if query and "token=" not in query else path
