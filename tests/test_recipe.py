from pathlib import Path

import pytest

from edullama.errors import RecipeError
from edullama.recipe import BUILTIN, Recipe
from edullama.recipe_file import parse_recipe, read_recipe, setting_names
from edullama.store import STAGES

RECIPES = Path(__file__).parents[1] / "recipes"


def read(text: str, *overrides: str) -> Recipe:
    import tomllib

    return parse_recipe(tomllib.loads(text), "course.toml")


def test_an_empty_recipe_is_the_defaults() -> None:
    assert read("") == Recipe()
    assert Recipe().course.model == BUILTIN


def test_an_unknown_setting_suggests_the_nearest() -> None:
    with pytest.raises(RecipeError, match=r"course.toml: no setting 'distill.epoch'. Did you mean 'distill.epochs'\?"):
        read("[distill]\nepoch = 3")


def test_an_unknown_section_suggests_the_nearest() -> None:
    with pytest.raises(RecipeError, match=r"no setting 'finetuning'. Did you mean 'finetune'\?"):
        read("[finetuning]\nrank = 3")


def test_a_setting_in_the_wrong_section_is_found_in_the_right_one() -> None:
    with pytest.raises(RecipeError, match=r"no setting 'course.exam_share'. Did you mean 'prepare.exam_share'\?"):
        read("[course]\nexam_share = 0.2")


def test_a_value_of_the_wrong_type_names_setting_and_value() -> None:
    with pytest.raises(RecipeError, match=r"'finetune.rank' is 'many'"):
        read("[finetune]\nrank = 'many'")


@pytest.mark.parametrize(
    "setting",
    ["prepare.window = 0", "prepare.window = 1.5", "distill.temperature = -1.0", "prepare.exam_share = 1.0"],
)
def test_impossible_values_are_refused(setting: str) -> None:
    section, _, line = setting.partition(".")
    with pytest.raises(RecipeError, match=setting.split(" ")[0]):
        read(f"[{section}]\n{line}")


def test_a_judge_needs_its_endpoint() -> None:
    with pytest.raises(RecipeError, match=r"no section \[endpoint.gpt\]"):
        read("[evaluate]\njudge = 'gpt'")
    recipe = read("[evaluate]\njudge = 'gpt'\n[endpoint.gpt]\nbase_url = 'http://127.0.0.1/v1'\nmodel = 'm'")
    assert recipe.endpoint["gpt"].model == "m"


def test_layers_are_a_count_or_a_list() -> None:
    assert read("[shrink]\nlayers = 11").shrink.layers == 11
    assert read("[shrink]\nlayers = [0, 3, 29]").shrink.layers == (0, 3, 29)


def test_overrides_win_and_need_no_quotes(tmp_path: Path) -> None:
    path = tmp_path / "course.toml"
    path.write_text("[finetune]\nepochs = 9")
    recipe = read_recipe(path, ("finetune.epochs=2", "course.title=My lectures", "shrink.layers=[0, 1]"))
    assert (recipe.finetune.epochs, recipe.course.title, recipe.shrink.layers) == (2, "My lectures", (0, 1))


def test_an_override_without_a_section_says_how_to_write_it(tmp_path: Path) -> None:
    (tmp_path / "course.toml").write_text("")
    with pytest.raises(RecipeError, match=r"section.key=value"):
        read_recipe(tmp_path / "course.toml", ("epochs=2",))


def test_broken_toml_names_the_file_and_the_line(tmp_path: Path) -> None:
    path = tmp_path / "course.toml"
    path.write_text("[course\n")
    with pytest.raises(RecipeError, match=r"course.toml: not valid TOML: .*line 1"):
        read_recipe(path)


def test_a_folder_that_is_no_course_says_how_to_start_one(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="edullama new"):
        read_recipe(tmp_path / "course.toml")


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*.toml")), ids=lambda path: path.name)
def test_every_recipe_that_we_ship_is_valid(path: Path) -> None:
    read_recipe(path)


def test_the_documentation_explains_every_setting() -> None:
    documented = (RECIPES.parent / "docs" / "recipe.md").read_text(encoding="utf-8")
    missing = [name for name in setting_names() if f"| `{name}` |" not in documented]
    assert missing == []


def test_the_documentation_gives_the_true_defaults() -> None:
    documented = (RECIPES.parent / "docs" / "recipe.md").read_text(encoding="utf-8")
    for name in setting_names():
        section, _, key = name.partition(".")
        if section not in ("course", "endpoint"):
            default = getattr(getattr(Recipe(), section), key)
            if isinstance(default, int | float):
                assert f"| `{name}` | {default} |" in documented


def test_another_password_is_another_setting_and_is_written_nowhere() -> None:
    settings = [
        read(f'[ingest.passwords]\n"week 1" = "{word}"').values(STAGES[0].settings) for word in ("sesame", "open")
    ]
    assert settings[0] != settings[1]
    assert "sesame" not in repr(settings[0])


@pytest.mark.parametrize(("what", "who"), [("normalise", "normaliser"), ("draft", "drafter")])
def test_what_an_endpoint_is_to_do_needs_its_name(what: str, who: str) -> None:
    with pytest.raises(RecipeError, match=f"'prepare.{what}' is 'endpoint', but 'prepare.{who}' names no endpoint"):
        read(f'[prepare]\n{what} = "endpoint"')


def test_trackers_are_known_by_name_and_make_nothing_out_of_date() -> None:
    reporting = read("[finetune]\nreport_to = ['wandb', 'tensorboard']")
    assert reporting.finetune.report_to == ("wandb", "tensorboard")
    assert reporting.values(("finetune",)) == Recipe().values(("finetune",))
    with pytest.raises(RecipeError, match=r"finetune.report_to"):
        read("[finetune]\nreport_to = ['paper']")


@pytest.mark.parametrize("setting", ["held_out = 0.6", "looks = -1", "patience = 0"])
def test_watching_that_cannot_work_is_refused(setting: str) -> None:
    with pytest.raises(RecipeError, match=f"finetune.{setting.split(' ')[0]}"):
        read(f"[finetune]\n{setting}")
