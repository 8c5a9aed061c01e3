"""What accounts, repositories, Apps and installations look like in JSON."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from runners.local.hub.records import App, Installation, Repository, User

if TYPE_CHECKING:
    from runners.local.hub.hub import Hub

Json = dict[str, Any]

_USER_LINKS = (
    ("followers", "followers"),
    ("following", "following{/other_user}"),
    ("gists", "gists{/gist_id}"),
    ("starred", "starred{/owner}{/repo}"),
    ("subscriptions", "subscriptions"),
    ("organizations", "orgs"),
    ("repos", "repos"),
    ("events", "events{/privacy}"),
    ("received_events", "received_events"),
)
_REPOSITORY_LINKS = (
    ("archive", "{archive_format}{/ref}"),
    ("assignees", "assignees{/user}"),
    ("blobs", "git/blobs{/sha}"),
    ("branches", "branches{/branch}"),
    ("collaborators", "collaborators{/collaborator}"),
    ("comments", "comments{/number}"),
    ("commits", "commits{/sha}"),
    ("compare", "compare/{base}...{head}"),
    ("contents", "contents/{+path}"),
    ("contributors", "contributors"),
    ("deployments", "deployments"),
    ("downloads", "downloads"),
    ("events", "events"),
    ("forks", "forks"),
    ("git_commits", "git/commits{/sha}"),
    ("git_refs", "git/refs{/sha}"),
    ("git_tags", "git/tags{/sha}"),
    ("hooks", "hooks"),
    ("issue_comment", "issues/comments{/number}"),
    ("issue_events", "issues/events{/number}"),
    ("issues", "issues{/number}"),
    ("keys", "keys{/key_id}"),
    ("labels", "labels{/name}"),
    ("languages", "languages"),
    ("merges", "merges"),
    ("milestones", "milestones{/number}"),
    ("notifications", "notifications{?since,all,participating}"),
    ("pulls", "pulls{/number}"),
    ("releases", "releases{/id}"),
    ("stargazers", "stargazers"),
    ("statuses", "statuses/{sha}"),
    ("subscribers", "subscribers"),
    ("subscription", "subscription"),
    ("tags", "tags"),
    ("teams", "teams"),
    ("trees", "git/trees{/sha}"),
)


def node_id(kind: str, number: int | str) -> str:
    """Return an opaque global id."""
    return base64.b64encode(f"{kind}:{number}".encode()).decode("ascii")


def user(hub: Hub, account: User) -> Json:
    """GitHub's simple user."""
    api = f"{hub.api_url}/users/{quote(account.login, safe='')}"
    page = account.login if account.type == "User" else "apps/" + account.login.removesuffix("[bot]")
    return {
        "login": account.login,
        "id": account.id,
        "node_id": node_id(account.type, account.id),
        "avatar_url": f"{hub.base_url}/static/avatar.svg",
        "gravatar_id": "",
        "url": api,
        "html_url": f"{hub.base_url}/{page}",
        **{f"{name}_url": f"{api}/{rest}" for name, rest in _USER_LINKS},
        "type": account.type,
        "user_view_type": "public",
        "site_admin": False,
    }


def public_user(hub: Hub, account: User) -> Json:
    """An account with its profile, most of which the hub does not know."""
    unknown = ("blog", "company", "email", "hireable", "location", "bio")
    return {
        **user(hub, account),
        "name": account.name,
        **dict.fromkeys(unknown),
        "public_repos": 0,
        "public_gists": 0,
        "followers": 0,
        "following": 0,
        "created_at": account.created_at,
        "updated_at": account.created_at,
    }


def minimal_repository(hub: Hub, found: Repository) -> Json:
    """A repository as lists show it."""
    api = f"{hub.api_url}/repos/{found.full_name}"
    return {
        **found.pick("id", "name", "full_name", "private", "description"),
        "node_id": node_id("Repository", found.id),
        "owner": user(hub, hub.users.need(found.owner_id)),
        "html_url": f"{hub.base_url}/{found.full_name}",
        "fork": False,
        "url": api,
        **{f"{name}_url": f"{api}/{rest}" for name, rest in _REPOSITORY_LINKS},
    }


def repository(hub: Hub, found: Repository) -> Json:
    """A repository in full."""
    page = f"{hub.base_url}/{found.full_name}"
    open_issues = hub.issues.count(repository_id=found.id, state="open")
    return {
        **minimal_repository(hub, found),
        "clone_url": f"{page}.git",
        "git_url": f"{page}.git",
        "ssh_url": f"{page}.git",
        "svn_url": page,
        "mirror_url": None,
        "default_branch": found.default_branch,
        "visibility": "private" if found.private else "public",
        "homepage": None,
        "language": None,
        "license": None,
        "topics": [],
        **dict.fromkeys(("forks", "forks_count", "stargazers_count", "watchers", "watchers_count", "size"), 0),
        "has_issues": True,
        **dict.fromkeys(("has_projects", "has_wiki", "has_pages", "has_downloads", "has_discussions"), False),
        **dict.fromkeys(("archived", "disabled", "is_template", "web_commit_signoff_required"), False),
        "allow_forking": False,
        "open_issues": open_issues,
        "open_issues_count": open_issues,
        "created_at": found.created_at,
        "updated_at": found.pushed_at,
        "pushed_at": found.pushed_at,
    }


def app(hub: Hub, found: App) -> Json:
    """A GitHub App."""
    return {
        **found.pick("id", "slug", "name", "created_at", "permissions", "events"),
        "node_id": node_id("Integration", found.id),
        "client_id": f"Iv1.{found.id}",
        "owner": user(hub, hub.users.need(found.owner_id)),
        "description": None,
        "external_url": hub.base_url,
        "html_url": f"{hub.base_url}/apps/{found.slug}",
        "updated_at": found.created_at,
        "installations_count": hub.installations.count(app_id=found.id),
    }


def installation(hub: Hub, found: Installation) -> Json:
    """An App's installation."""
    owner = hub.apps.need(found.app_id)
    account = hub.users.need(found.account_id)
    api = f"{hub.api_url}/app/installations/{found.id}"
    return {
        **found.pick("id", "permissions", "events", "created_at", "updated_at", "suspended_at"),
        "client_id": f"Iv1.{owner.id}",
        "account": user(hub, account),
        "repository_selection": "selected",
        "access_tokens_url": f"{api}/access_tokens",
        "repositories_url": f"{hub.api_url}/installation/repositories",
        "html_url": f"{hub.base_url}/settings/installations/{found.id}",
        "app_id": owner.id,
        "app_slug": owner.slug,
        "target_id": account.id,
        "target_type": "User",
        "single_file_name": None,
        "has_multiple_single_files": False,
        "single_file_paths": [],
        "suspended_by": user(hub, account) if found.suspended_at else None,
    }
