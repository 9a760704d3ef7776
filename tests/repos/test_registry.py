"""Which repositories there are, and by what names."""

import asyncio
import os

import pytest

from coworker.errors import NotFound, UsageError
from coworker.repos.registry import Registry
from coworker.settings import Config, RepoConfig
from coworker.store.log import Log
from tests.repos import scene


@pytest.fixture
async def log(tmp_path):
    """A real log."""
    made = Log(tmp_path / "state", lambda error: None)
    yield made
    await made.close()


@pytest.fixture
def registry(log):
    """`registry(shop=path)` knows these from the configuration."""

    def registry(**paths: object) -> Registry:
        repos = {name: RepoConfig(path=str(path)) for name, path in paths.items()}
        return Registry(Config(repos=repos), log)

    return registry


async def test_a_configured_repository_is_found_by_name_and_by_any_path_inside(tmp_path, registry):
    folder = scene.shop(tmp_path / "shop")
    known = registry(store=folder)
    assert known.get("store").path == folder
    assert (await known.find("store")).name == "store"
    assert (await known.find(str(folder / "src"))).name == "store"
    assert [repo.name for repo in known.list()] == ["store"]


async def test_a_path_inside_a_checkout_adds_it_under_its_folders_name(tmp_path, registry):
    folder = scene.shop(tmp_path / "My Shop!")
    found = await registry().find(str(folder / "src"))
    assert (found.name, found.path) == ("my-shop", folder)
    assert registry().get("my-shop") == found  # also after a restart


async def test_names_of_folders_are_made_unique(tmp_path, registry):
    places = [scene.shop(tmp_path / above / "shop") for above in ("a", "b", "c")]
    known = registry(shop=places[0])
    assert (await known.find(str(places[1]))).name == "shop-2"
    assert (await known.find(str(places[2]))).name == "shop-3"
    assert (await known.find(str(places[1]))).name == "shop-2"


async def test_two_people_at_once_get_two_names(tmp_path, registry):
    places = [scene.shop(tmp_path / above / "shop") for above in ("a", "b")]
    known = registry()
    found = await asyncio.gather(*(known.find(str(place)) for place in places))
    assert {known.get(repo.name).path for repo in found} == set(places)


async def test_an_unknown_name_says_what_is_known(tmp_path, registry):
    known = registry(shop=scene.shop(tmp_path / "shop"))
    with pytest.raises(NotFound, match="Did you mean shop"):
        await known.find("shpo")
    with pytest.raises(NotFound, match="Known: shop"):
        await known.find("nothing-like-it")


async def test_a_path_without_a_checkout_is_refused(tmp_path, registry):
    with pytest.raises(NotFound, match="no git repository"):
        await registry().find(str(tmp_path))


async def test_a_configured_name_can_be_neither_taken_nor_removed(tmp_path, registry):
    known = registry(shop=scene.shop(tmp_path / "shop"))
    other = scene.shop(tmp_path / "other")
    with pytest.raises(UsageError, match="taken"):
        await known.add(other, "shop")
    with pytest.raises(UsageError, match="configuration file"):
        await known.remove("shop")


async def test_an_added_repository_is_removed_by_name(tmp_path, registry):
    known = registry()
    await known.add(scene.shop(tmp_path / "shop"), "mine")
    await known.remove("mine")
    assert known.get("mine") is None
    with pytest.raises(NotFound, match="no repository mine"):
        await known.remove("mine")


@pytest.mark.parametrize("name", ["Shop", "a b", "../x", "-x", "", "x" * 65, "größe", "a\nb"])
async def test_a_name_that_cannot_be_one_is_refused(tmp_path, registry, name):
    folder = scene.shop(tmp_path / "shop")
    with pytest.raises(UsageError, match="cannot be a repository's name"):
        await registry().add(folder, name)


async def test_a_second_name_for_the_same_checkout_is_refused(tmp_path, registry):
    folder = scene.shop(tmp_path / "shop")
    known = registry()
    assert await known.add(folder) == await known.add(folder / "src", "shop")
    with pytest.raises(UsageError, match="known as shop already"):
        await known.add(folder, "other")


async def test_a_name_that_the_configuration_takes_later_is_given_up(tmp_path, registry):
    mine, theirs = scene.shop(tmp_path / "a" / "shop"), scene.shop(tmp_path / "b" / "shop")
    await registry().add(mine)
    known = registry(shop=theirs)
    assert known.get("shop").path == theirs
    found = await known.find(str(mine))
    assert found.name == "shop-2"
    assert known.get("shop-2") == found


async def test_a_repository_may_be_configured_by_url_only_but_not_by_nothing(tmp_path, log):
    repos = {"far": RepoConfig(url="git@example.com:far"), "none": RepoConfig()}
    known = Registry(Config(repos=repos, state_dir=str(tmp_path)), log)
    assert (await known.find("far")).is_cloned
    with pytest.raises(NotFound, match="without a path or url"):
        await known.find("none")


async def test_a_folder_whose_name_is_no_text_is_refused(tmp_path, registry):
    folder = scene.shop(tmp_path / os.fsdecode(b"bad-\xff"))
    with pytest.raises(UsageError, match="not valid UTF-8"):
        await registry().find(str(folder))
