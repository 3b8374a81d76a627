"""What the environment may say, and what a person is told when it says nothing that means something."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codex_fusion.config import (
    MAX_SHOWN,
    MAX_TIMEOUT_MS,
    PREFIX,
    VARIABLES,
    Allowances,
    Config,
    Confinement,
    WhoPermits,
    read,
)
from codex_fusion.errors import ConfigurationError

CWD = Path("/start")
FOLDERS = {CWD, Path("/start/sub"), Path("/work"), Path("/opt/a"), Path("/opt/b"), Path("/home/ada/lib")}
NAMES = [variable.name for variable in VARIABLES]


def is_dir(path: Path) -> bool:
    return path in FOLDERS


def resolve(path: Path) -> Path:
    """`/work` is a symlink; nothing else is."""
    return Path("/disk/work") if path == Path("/work") else path


def configure(**values: str) -> Config:
    """Read these variables (without the prefix), on a disk that has `FOLDERS`."""
    environ = {f"{PREFIX}{name}": value for name, value in values.items()}
    return read({"HOME": "/home/ada", **environ}, CWD, is_dir=is_dir, resolve=resolve)


def problems(**values: str) -> tuple[str, ...]:
    with pytest.raises(ConfigurationError) as caught:
        configure(**values)
    return caught.value.problems


def problem(**values: str) -> str:
    (only,) = problems(**values)
    return only


def test_an_empty_environment_gives_the_defaults() -> None:
    assert configure() == Config(workspace=CWD)


def test_variables_of_others_are_nobodys_business() -> None:
    environ = {"PATH": "/bin", "CODEX_HOME": "/x", "CODEX_FUSIONS": "1", "MY_CODEX_FUSION_LOG": "x"}
    assert read(environ, CWD, is_dir=is_dir, resolve=resolve) == Config(workspace=CWD)


def test_the_documented_defaults_are_the_defaults() -> None:
    said = {row.name.removeprefix(PREFIX): row.default for row in VARIABLES if row.default}
    assert configure(**said) == configure()


def test_every_variable_is_documented_once_and_fills_a_field_of_its_own() -> None:
    assert len(set(NAMES)) == len({row.field for row in VARIABLES}) == len(VARIABLES)
    assert all(row.name.startswith(PREFIX) and row.meaning.endswith(".") for row in VARIABLES)
    top = {row.field.partition(".")[0] for row in VARIABLES}
    assert top == set(Config.__dataclass_fields__)
    flags = {row.field.removeprefix("allow.") for row in VARIABLES if "." in row.field}
    assert flags == set(Allowances.__dataclass_fields__)


@pytest.mark.parametrize("name", [row.name.removeprefix(PREFIX) for row in VARIABLES if row.may_be_blank])
@pytest.mark.parametrize("blank", ["", "  ", "\n"])
def test_a_blank_variable_is_as_good_as_none(name: str, blank: str) -> None:
    assert configure(**{name: blank}) == configure()


def test_everything_can_be_set_at_once() -> None:
    config = configure(
        WORKSPACE="/work",
        ACP_COMMAND="npx -y 'my agent'",
        ALLOW_EXTERNAL_READS="1",
        ALLOW_WRITES="yes",
        ALLOW_COMMANDS="ON",
        TURN_TIMEOUT_MS="1500",
        LOG="/var/log/turns.jsonl",
        CONFINEMENT="read-only",
        READ_ROOTS=f"/opt/a{os.pathsep}/opt/b",
        PASS_ENV="FOO,BAR",  # noqa: S106 - names, not a password
        PERMIT="human",
    )
    assert config == Config(
        workspace=Path("/disk/work"),
        acp_command=("npx", "-y", "my agent"),
        allow=Allowances(external_reads=True, writes=True, commands=True),
        turn_timeout_s=1.5,
        log=Path("/var/log/turns.jsonl"),
        confinement=Confinement.READ_ONLY,
        read_roots=(Path("/opt/a"), Path("/opt/b")),
        pass_env=("FOO", "BAR"),
        permit=WhoPermits.HUMAN,
    )


def test_all_problems_are_told_at_once_each_with_its_variable_its_value_and_what_is_valid() -> None:
    wrong = {
        "WORKSPACE": "/nowhere",
        "ACP_COMMAND": "'",
        "ALLOW_EXTERNAL_READS": "maybe",
        "ALLOW_WRITES": "2",
        "ALLOW_COMMANDS": "ja",
        "TURN_TIMEOUT_MS": "-1",
        "LOG": "on",
        "CONFINEMENT": "loose",
        "READ_ROOTS": "opt/a",
        "PASS_ENV": "A-B",
        "PERMIT": "me",
        "WORKSPACES": "/work",
    }
    told = problems(**wrong)
    assert len(told) == len(wrong)
    for (name, value), line in zip(wrong.items(), told, strict=True):
        assert line.startswith(f"{PREFIX}{name}={value!r}: ")
        assert "valid" in line or "did you mean" in line


class TestTheWorkspace:
    def test_is_the_folder_that_a_symlink_leads_to(self) -> None:
        assert configure(WORKSPACE="/work").workspace == Path("/disk/work")

    def test_that_is_relative_starts_in_the_current_folder(self) -> None:
        assert configure(WORKSPACE="sub").workspace == Path("/start/sub")

    def test_may_start_at_home(self) -> None:
        assert configure(WORKSPACE="~/lib").workspace == Path("/home/ada/lib")

    def test_must_be_a_folder(self) -> None:
        line = problem(WORKSPACE="nope")
        assert "'nope'" in line
        assert "valid is the path of a folder that exists" in line
        assert "/start" in line

    def test_the_whole_disk_is_no_workspace(self) -> None:
        with pytest.raises(ConfigurationError, match=r"WORKSPACE='\.': that is /, the whole disk"):
            read({}, Path("/"))

    def test_that_may_not_be_looked_at_is_a_problem_not_a_crash(self) -> None:
        def refuse(path: Path) -> bool:
            raise PermissionError(path)

        with pytest.raises(ConfigurationError, match="CODEX_FUSION_WORKSPACE='/root/x'"):
            read({"CODEX_FUSION_WORKSPACE": "/root/x"}, CWD, is_dir=refuse)

    def test_that_is_the_current_folder_must_exist_too(self) -> None:
        with pytest.raises(ConfigurationError, match=r"CODEX_FUSION_WORKSPACE='\.': .* /gone"):
            read({}, Path("/gone"), is_dir=is_dir)

    def test_is_looked_up_on_the_real_disk_unless_told_otherwise(self, tmp_path: Path) -> None:
        (tmp_path / "real").mkdir()
        (tmp_path / "link").symlink_to("real")
        assert read({"CODEX_FUSION_WORKSPACE": "link"}, tmp_path).workspace == (tmp_path / "real").resolve()


class TestTheCommand:
    @pytest.mark.parametrize(
        ("value", "words"),
        [
            ("codex-acp", ("codex-acp",)),
            ("  codex-acp  --flag ", ("codex-acp", "--flag")),
            ("'/my tools/acp' \"a b\" c\\ d ''", ("/my tools/acp", "a b", "c d", "")),
            ("run '#1' $HOME; ls", ("run", "#1", "$HOME;", "ls")),
        ],
    )
    def test_is_split_as_a_shell_splits_words_and_nothing_more(
        self, value: str, words: tuple[str, ...]
    ) -> None:
        assert configure(ACP_COMMAND=value).acp_command == words

    @pytest.mark.parametrize("value", ["", "   ", "''", "' ' acp"])
    def test_that_names_no_program_is_a_problem(self, value: str) -> None:
        assert "it names no command" in problem(ACP_COMMAND=value)

    @pytest.mark.parametrize("value", ["acp 'x", 'acp "x', "acp \\"])
    def test_whose_quotes_do_not_close_is_a_problem(self, value: str) -> None:
        assert "; valid is a command with its arguments" in problem(ACP_COMMAND=value)


class TestAFlag:
    @pytest.mark.parametrize("value", ["1", "true", "YES", "On", " on "])
    def test_can_be_on(self, value: str) -> None:
        assert configure(ALLOW_WRITES=value).allow == Allowances(writes=True)

    @pytest.mark.parametrize("value", ["0", "False", "no", "OFF"])
    def test_can_be_off(self, value: str) -> None:
        assert configure(ALLOW_WRITES=value).allow == Allowances()

    @pytest.mark.parametrize("value", ["maybe", "2", "y", "enabled", "true,"])
    def test_is_nothing_else(self, value: str) -> None:
        assert problem(ALLOW_COMMANDS=value).endswith(
            "valid is on (1, true, yes, on) or off (0, false, no, off)"
        )

    @pytest.mark.parametrize(
        ("name", "allowed"),
        [
            ("ALLOW_EXTERNAL_READS", Allowances(external_reads=True)),
            ("ALLOW_WRITES", Allowances(writes=True)),
            ("ALLOW_COMMANDS", Allowances(commands=True)),
        ],
    )
    def test_opens_its_own_category_alone(self, name: str, allowed: Allowances) -> None:
        assert configure(**{name: "1"}).allow == allowed


class TestTheTimeout:
    @given(st.integers(1, MAX_TIMEOUT_MS))
    def test_is_milliseconds(self, milliseconds: int) -> None:
        assert configure(TURN_TIMEOUT_MS=f" {milliseconds} ").turn_timeout_s == milliseconds / 1000

    @pytest.mark.parametrize(
        "value",
        [
            "0",
            "-5",
            "+5",
            "1.5",
            "5m",
            "1e3",
            "1_000",
            "007",
            "٣٠٠",
            "inf",
            str(MAX_TIMEOUT_MS + 1),
            "9" * 5000,
        ],
    )
    def test_is_a_positive_whole_number_within_a_day(self, value: str) -> None:
        assert "from 1 to 86400000 (24 hours)" in problem(TURN_TIMEOUT_MS=value)


class TestTheLog:
    @pytest.mark.parametrize("value", ["off", "OFF", "0", "no", "false"])
    def test_can_be_off(self, value: str) -> None:
        assert configure(LOG=value).log is None

    @pytest.mark.parametrize(
        ("value", "path"),
        [
            ("/var/log/x.jsonl", "/var/log/x.jsonl"),
            ("x.jsonl", "/start/x.jsonl"),
            ("~/x.jsonl", "/home/ada/x.jsonl"),
            ("~x.jsonl", "/start/~x.jsonl"),
        ],
    )
    def test_is_a_path(self, value: str, path: str) -> None:
        assert configure(LOG=value).log == Path(path)

    @pytest.mark.parametrize("value", ["1", "on", "True", "/opt/a", "."])
    def test_is_neither_a_yes_nor_a_folder(self, value: str) -> None:
        assert "valid is off, or the path of a file" in problem(LOG=value)


@pytest.mark.parametrize("value", ["strict", "read-only", "agent", " Strict "])
def test_the_confinement_is_one_of_three(value: str) -> None:
    assert configure(CONFINEMENT=value).confinement == value.strip().lower()


@pytest.mark.parametrize("value", ["read_only", "none", "danger-full-access"])
def test_another_confinement_is_a_problem(value: str) -> None:
    assert problem(CONFINEMENT=value).endswith("valid is strict, read-only, agent")


@pytest.mark.parametrize("value", ["claude", "human", " Human "])
def test_who_permits_is_claude_or_a_human(value: str) -> None:
    assert configure(PERMIT=value).permit == value.strip().lower()
    assert configure().permit is WhoPermits.CLAUDE


@pytest.mark.parametrize("value", ["person", "on", "claude,human"])
def test_nobody_else_permits(value: str) -> None:
    assert problem(PERMIT=value).endswith("valid is claude, human")


class TestTheReadRoots:
    def test_are_folders_free_of_symlinks_and_each_is_there_once(self) -> None:
        value = os.pathsep.join(["/opt/b", "", "/work", "~/lib", "/opt/b", " "])
        roots = (Path("/opt/b"), Path("/disk/work"), Path("/home/ada/lib"))
        assert configure(READ_ROOTS=value).read_roots == roots

    def test_are_absolute_and_exist_and_each_wrong_one_is_told(self) -> None:
        told = problems(READ_ROOTS=os.pathsep.join(["/opt/a", "sub", "/missing", "~bob"]))
        assert [line.partition(":")[0] for line in told] == [
            "CODEX_FUSION_READ_ROOTS='sub'",
            "CODEX_FUSION_READ_ROOTS='/missing'",
            "CODEX_FUSION_READ_ROOTS='~bob'",
        ]
        assert all("absolute paths of folders that exist" in line for line in told)


class TestTheVariablesToPass:
    @pytest.mark.parametrize("value", ["A,_b2", "A _b2", " A,\n _b2,, A "])
    def test_are_names(self, value: str) -> None:
        assert configure(PASS_ENV=value).pass_env == ("A", "_b2")

    def test_are_not_assignments_and_their_values_are_not_repeated(self) -> None:
        line = problem(PASS_ENV="GOOD TOKEN=hunter2")  # noqa: S106 - that is the point
        assert line.startswith(
            "CODEX_FUSION_PASS_ENV='TOKEN=…': valid are names of variables (not their values)"
        )

    @pytest.mark.parametrize("value", ["2A", "A-B", "*", "A;B"])
    def test_are_names_that_a_variable_can_have(self, value: str) -> None:
        assert f"={value!r}: " in problem(PASS_ENV=value)


def test_without_a_home_a_tilde_is_a_problem() -> None:
    with pytest.raises(ConfigurationError, match="without HOME there is no `~`"):
        read({"CODEX_FUSION_LOG": "~/x"}, CWD, is_dir=is_dir)


def test_where_there_is_no_home_variable_the_users_profile_is_home() -> None:
    environ = {"CODEX_FUSION_LOG": "~", "USERPROFILE": "/users/ada"}
    assert read(environ, CWD, is_dir=is_dir, resolve=resolve).log == Path("/users/ada")


class TestAnUnknownName:
    @pytest.mark.parametrize(
        ("name", "meant"),
        [
            ("CODEX_FUSION_ALOW_WRITES", "CODEX_FUSION_ALLOW_WRITES"),
            ("CODEX_FUSION_TURN_TIMEOUT", "CODEX_FUSION_TURN_TIMEOUT_MS"),
            ("CODEX_FUSION_READ_ROOT", "CODEX_FUSION_READ_ROOTS"),
            ("codex_fusion_log", "CODEX_FUSION_LOG"),
        ],
    )
    def test_gets_the_closest_valid_one(self, name: str, meant: str) -> None:
        with pytest.raises(ConfigurationError) as caught:
            read({name: "1"}, CWD, is_dir=is_dir)
        assert caught.value.problems == (f"{name}='1': there is no such variable; did you mean {meant}?",)

    def test_that_is_like_none_gets_all_of_them(self) -> None:
        assert problem(XYZZY="1").endswith(f"; valid are {', '.join(NAMES)}")


class TestWhatIsShownOfAValue:
    @pytest.mark.parametrize("name", ["API_KEY", "TOKEN", "PASSWORD", "CLIENT_SECRET", "AUTH"])
    def test_is_nothing_where_the_name_speaks_of_a_secret(self, name: str) -> None:
        line = problem(**{name: "hunter2"})
        assert line.startswith(f"{PREFIX}{name} (value not shown): there is no such variable")
        assert "hunter2" not in line

    @pytest.mark.parametrize(
        "value",
        [
            "env OPENAI_API_KEY=hunter2 codex-acp '",
            "codex-acp --token hunter2 '",
            "codex-acp --api-key 'hunter2",
            "codex-acp sk-hunter2 '",
            "codex-acp -H 'Authorization: Bearer hunter2",
        ],
    )
    def test_ends_before_a_secret(self, value: str) -> None:
        line = problem(ACP_COMMAND=value)
        assert "hunter2" not in line
        assert "…" in line

    @given(
        st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=400)
    )
    def test_is_one_short_line(self, value: str) -> None:
        line = problem(NONESUCH_AT_ALL=value)
        shown = line.removeprefix(f"{PREFIX}NONESUCH_AT_ALL=").partition(": there is no such variable")[0]
        assert len(shown) <= MAX_SHOWN
        assert line.isprintable()


@given(st.dictionaries(st.sampled_from(NAMES), st.text(max_size=30)))
def test_whatever_the_environment_says_it_is_a_configuration_or_a_list_of_problems(
    environ: dict[str, str],
) -> None:
    try:
        config = read(environ, CWD, is_dir=is_dir, resolve=resolve)
    except ConfigurationError as error:
        told = {line.partition("=")[0] for line in error.problems}
    else:
        told = set()
        assert config.workspace.is_absolute()
        assert 0 < config.turn_timeout_s <= MAX_TIMEOUT_MS / 1000
    assert told <= set(environ)
