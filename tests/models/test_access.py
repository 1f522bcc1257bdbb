"""How models that are not in the package are reached."""

from __future__ import annotations

from vai.models.access import Access
from vai.models.paying.spending import Purse
from vai.settings import Settings


def test_the_environment_says_more_than_the_users_settings() -> None:
    settings = Settings(voyage_api_key="pa-settings", rerank_api_key="r-key", embeddings_api_key="e-key")
    purse = Purse()

    access = Access.configured(
        settings, {"VOYAGE_API_KEY": " pa-environment ", "VOYAGE_BASE_URL": "https://host/v1"}, purse=purse
    )

    assert (access.voyage_key, access.voyage_url) == ("pa-environment", "https://host/v1")
    assert (access.rerank_key, access.embeddings_key) == ("r-key", "e-key")
    assert access.purse is purse
    assert access.patience is None


def test_what_the_environment_does_not_say_or_leaves_blank_is_in_the_settings() -> None:
    access = Access.configured(
        Settings(voyage_api_key="pa-settings"), {"VOYAGE_API_KEY": " ", "VOYAGE_BASE_URL": ""}
    )

    assert (access.voyage_key, access.voyage_url, access.rerank_key) == ("pa-settings", None, None)


def test_keys_are_not_shown() -> None:
    access = Access(voyage_key="pa-secret", rerank_key="r-secret", embeddings_key="e-secret")
    assert "secret" not in repr(access)
