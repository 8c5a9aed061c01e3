"""New issue: choosing one of the repository's forms, filling it in, sending it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any, Final

from starlette.responses import Response

from runners.local.hub.errors import not_found
from runners.local.hub.pages import forms
from runners.local.hub.pages.forms import Chooser, Form, FormError
from runners.local.hub.pages.frame import Visit
from runners.local.hub.pages.markdown import LinkBase, is_safe_link, render_inline, render_markdown
from runners.local.hub.services import issues, labels

FOLDER: Final = ".github/ISSUE_TEMPLATE"
ENDINGS: Final = (".yml", ".yaml")


def choose(visit: Visit) -> Response:
    """Show the repository's forms to choose from; broken ones are shown with what is wrong."""
    shown: list[Form] = []
    broken: dict[str, str] = {}
    for file in _files(visit):
        try:
            shown.append(_form(visit, file))
        except FormError as error:
            broken[file] = str(error)
    chooser = _chooser(visit)
    links = [link for link in chooser.links if is_safe_link(link[1])]
    blank = chooser.blank_issues or not shown
    return visit.in_repository("choose.html", "issues", forms=shown, broken=broken, links=links, blank=blank)


def new(visit: Visit) -> Response:
    """Show an empty form; fields named in the address hold what it says."""
    query = visit.request.query_params
    form = _asked_form(visit)
    values = form.initial(dict(query)) if form else {}
    title = query.get("title") or (form.title if form else "")
    return _page(visit, form, {}, values, title, query.get("body", ""))


def create(visit: Visit) -> Response:
    """Open the issue that was written, or show the form again with what is wrong."""
    form = _asked_form(visit)
    title, body = visit.field("title"), visit.field("body")
    problems = forms.check(form, visit.form) if form else {}
    if not title.strip():
        problems["title"] = "Please give the issue a title."
    if form:
        body = forms.write_body(form, visit.form)
    if len(body) > issues.MAX_BODY:
        problems["body"] = f"The text is too long: {len(body):,} of at most {issues.MAX_BODY:,} characters."
    if problems:
        given = {name: list(values) for name, values in visit.form.items()}
        empty: dict[str, list[str]] = {element.name: [] for element in form.elements} if form else {}
        return _page(visit, form, problems, empty | given, title, "" if form else body, status=422)
    names = form.labels if form else ()
    issue = issues.create_issue(visit.hub, visit.actor, visit.repository, title, body, names, by_form=form is not None)
    return visit.redirect(f"/{visit.repository.full_name}/issues/{issue.number}")


def _page(
    visit: Visit,
    form: Form | None,
    problems: Mapping[str, str],
    values: Mapping[str, Sequence[str]],
    title: str,
    body: str,
    status: int = 200,
) -> Response:
    base = LinkBase(visit.repository.full_name, visit.repository.default_branch)
    helpers: dict[str, Any] = {
        "markdown": lambda text: render_markdown(text, base),
        "inline_markdown": lambda text: render_inline(text, base),
    }
    known = labels.present(visit.hub, visit.repository, form.labels) if form else []
    return visit.in_repository(
        "new.html",
        "issues",
        status=status,
        form=form,
        problems=problems,
        values=values,
        title=title,
        body=body,
        labels=known,
        **helpers,
    )


def _asked_form(visit: Visit) -> Form | None:
    """Return the form that the address names; None where it names none."""
    file = visit.request.query_params.get("template")
    if not file:
        return None
    if file not in _files(visit):
        raise not_found()
    try:
        return _form(visit, file)
    except FormError:
        raise not_found() from None


def _files(visit: Visit) -> list[str]:
    """Return the names of the form files on the default branch."""
    git = visit.hub.git(visit.repository)
    head = git.head(visit.repository.default_branch)
    if head is None or git.look(head, FOLDER)[0] != "tree":
        return []
    names = git.run("ls-tree", "-z", "--name-only", f"{head}:{FOLDER}").decode(errors="replace").split("\0")
    return [n for n in names if PurePosixPath(n).suffix in ENDINGS and PurePosixPath(n).stem != "config"]


def _form(visit: Visit, file: str) -> Form:
    return forms.parse_form(file, _read(visit, file))


def _chooser(visit: Visit) -> Chooser:
    try:
        return forms.parse_chooser(_read(visit, "config.yml"))
    except FormError:
        return Chooser()


def _read(visit: Visit, file: str) -> str:
    content = visit.hub.git(visit.repository).read(visit.repository.default_branch, f"{FOLDER}/{file}")
    return (content or b"").decode(errors="replace")
