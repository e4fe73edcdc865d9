"""`query`, `serve`, `pipeline run` and `demo` hand over to their packages and keep the contract around them."""

import pytest

from bert_keras.cli import pipeline as pipeline_commands
from bert_keras.errors import BadInput, WorkFailed
from tests.bert_keras.cli.tiny import run

client = pytest.importorskip("serving.client")


class TestQuery:
    @pytest.fixture
    def asked(self, monkeypatch):
        calls = []

        def query(target, model, texts, pairs, **options):
            calls.append((target, model, texts, pairs, options))
            return [{"label": f"<{text}>é"} for text in texts]

        monkeypatch.setattr(client, "query", query)
        return calls

    def test_each_text_gives_a_json_line(self, asked):
        outcome = run("query", "localhost:8500", "reviews", "a", "b", "--version", 3)
        assert (outcome.code, outcome.stdout) == (0, '{"label": "<a>é"}\n{"label": "<b>é"}\n')
        options = {"second": None, "signature": None, "version": 3, "label": None, "timeout": 30, "tls": None}
        options |= {"token": None, "token_without_tls": False}
        assert asked == [("localhost:8500", "reviews", ["a", "b"], None, options)]

    def test_second_texts_go_with_the_first(self, asked):
        run("query", "unix:/s", "m", "a", "b", "--pair", "c", "--pair", "d", "--second", "context")
        assert asked[0][2:4] == (["a", "b"], ["c", "d"])
        assert asked[0][4]["second"] == "context"

    @pytest.mark.parametrize("error, code", [
        (client.ModelNotFound("no model m"), 2),
        (client.SignatureNotFound("no signature s"), 2),
        (client.InvalidInput("takes pairs"), 2),
        (client.Unavailable("nothing answers"), 1),
        (client.ServerBusy("queue is full"), 1),
        (client.Timeout("no answer in 30 s"), 1),
        (client.ServerFailed("internal"), 1),
    ])  # fmt: skip
    def test_what_the_user_can_mend_is_code_2_and_the_rest_code_1(self, monkeypatch, error, code):
        def fail(*args, **options):
            raise error

        monkeypatch.setattr(client, "query", fail)
        outcome = run("query", "localhost:8500", "m", "a")
        assert (outcome.code, outcome.stderr) == (code, f"bert-keras: {error}\n")

    def test_an_empty_text_is_not_sent(self, asked):
        outcome = run("query", "localhost:8500", "m", "a", "")
        assert outcome.code == 2 and "text 2: the text is empty" in outcome.stderr and not asked


class TestServe:
    def test_a_launch_that_cannot_be_is_code_2(self, tmp_path):
        (tmp_path / "1").mkdir()
        (tmp_path / "1" / "saved_model.pb").touch()
        outcome = run("serve", tmp_path, "--binary", "/no/such/server")
        assert outcome.code == 2 and "/no/such/server is no program" in outcome.stderr

    def test_one_saved_model_points_to_the_directory_above(self, tmp_path):
        (tmp_path / "saved_model.pb").touch()
        outcome = run("serve", tmp_path)
        assert outcome.code == 2 and "the folder above it" in outcome.stderr

    def test_what_stands_behind_two_dashes_goes_to_the_server(self, tmp_path, monkeypatch):
        from serving.server import launcher

        served = []
        monkeypatch.setattr(launcher, "serve", lambda base, name, **options: served.append(options["flags"]))
        assert run("serve", tmp_path, "--port", 9000, "--", "--enable_batching", "--grpc_max_threads=3").code == 0
        assert served == [("--enable_batching", "--grpc_max_threads=3")]
        outcome = run("serve", tmp_path, "other")
        assert outcome.code == 2 and "'other' is no flag of the server; expected --name=value" in outcome.stderr

    def test_a_port_beyond_the_range_is_refused(self, tmp_path):
        assert run("serve", tmp_path, "--port", "65536").code == 2


class TestPipeline:
    @pytest.mark.parametrize("error, code", [(None, 0), (BadInput("p.yaml: unknown key"), 2), (WorkFailed("no"), 1)])
    def test_a_run_keeps_the_exit_codes(self, monkeypatch, error, code):
        import pipelines.runner

        seen = []

        def run_config(path):
            seen.append(path)
            if error:
                raise error

        monkeypatch.setattr(pipelines.runner, "run_config", run_config)
        monkeypatch.setattr(pipeline_commands, "_check_tfx", lambda: None)
        outcome = run("pipeline", "run", "p.yaml")
        assert (outcome.code, seen) == (code, ["p.yaml"])
        assert outcome.stderr == (f"bert-keras: {error}\n" if error else "")

    @pytest.mark.parametrize("command", [("demo",), ("pipeline", "run", "p.yaml")])
    def test_without_tfx_it_says_what_to_install(self, monkeypatch, command):
        monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
        outcome = run(*command)
        assert outcome.code == 2 and "pip install 'bert-keras[tfx]'" in outcome.stderr
