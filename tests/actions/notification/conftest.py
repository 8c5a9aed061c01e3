from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.channels import LocalMail, LocalSlack, local_mail, local_slack


@pytest.fixture(scope="module")
def running_slack() -> Iterator[LocalSlack]:
    with local_slack() as slack:
        yield slack


@pytest.fixture
def slack(running_slack: LocalSlack) -> LocalSlack:
    running_slack.reset()
    return running_slack


@pytest.fixture(scope="module")
def running_mail() -> Iterator[LocalMail]:
    with local_mail() as mail:
        yield mail


@pytest.fixture
def mail(running_mail: LocalMail) -> LocalMail:
    running_mail.reset()
    return running_mail
