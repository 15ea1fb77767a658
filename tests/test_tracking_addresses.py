"""Addresses of MLflow's: which are taken, which refused and how; and that no secret is shown."""

import json
import time

import pytest

from data.errors import UserError
from data.secrets import MASK, redacted, shown_override, shown_uri, without_secrets_of
from search.experiment.tracking_uri import (
    artifact_location,
    check_uri,
    checked_uri,
    mlflow_uri,
    sqlite_file,
)

# as the dashboard's address bar has it: nothing in it is secret
SAVED_VIEW = (
    "http://h:5000/#/experiments/1/runs?viewStateShareKey=9ab&workflowType=machine_learning"
)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql://me:hunter2@db:5432/runs", "postgresql://***@db:5432/runs"),
        ("see https://token@host/x and ftp://a:b@c", "see https://***@host/x and ftp://***@c"),
        ("https://me:p@ss:w@host/a", "https://***@host/a"),
        (
            "postgresql://db/x?user=me&password=hunter2&ssl=1",
            "postgresql://db/x?user=***&password=***&ssl=***",
        ),
        ("postgresql://me:hun/ter2@h/db", "postgresql://***@h/db"),
        ("postgresql://me:hun?t#er@2@h/db?a=b#c", "postgresql://***@h/db?a=***#***"),
        (
            "https://h/x?sig=hunter2&api_key=hunter2;auth=hunter2",
            "https://h/x?sig=***&api_key=***;auth=***",
        ),
        ("https://h/x?hunter2", "https://h/x?***"),
        (
            "mssql+pyodbc:///?odbc_connect=UID%3Dme%3BPWD%3Dhunter2",
            "mssql+pyodbc:///?odbc_connect=***",
        ),
        ("sqlite:///mlflow.db?timeout=5", "sqlite:///mlflow.db?timeout=***"),
        ("in sqlite:////tmp/wh?t/m#1.db; then", "in sqlite:////tmp/wh?t/m#1.db; then"),
        ("sqlite:////home/me@work/mlflow.db", "sqlite:////home/me@work/mlflow.db"),
        ("http://host:5000 mail me@host", "http://host:5000 mail me@host"),
        ("no http://u:zq9 pw@h/x", "no http://***@h/x"),
        ("no http://u:<zq9>'\tpw@h/x", "no http://***@h/x"),
        ("http://h/x;token=hunter2", "http://h/x;token=***"),
        ("http://h/x;token=hunter2?a=b", "http://h/x;token=***?a=***"),
        ("postgresql:u:hunter2@h/db", "postgresql:***@h/db"),
        ("no http:/u:hunter2@h", "no http:/***@h"),
        ("no u:hunter2@h:5000", "no ***@h:5000"),
        ("//u:hunter2@h and http//u:hunter2@h", "//***@h"),
        ("http:\\\\u:hunter2@h", "http:\\\\***@h"),
        ('postgresql://u:a"b\nhunter2@h/db', "postgresql://***@h/db"),
        ("mysql:u:a'b\nhunter2@h/db", "mysql:***@h/db"),
        ("http://u:hun ter2@hun ter2@h/x", "http://***@h/x"),
        ("https://h/x?key=hun@ter2 is", "https://***@*** is"),
        ("http:/h/x?token=hunter2", "http:/h/x?token=***"),
        ("user=u password=hunter2 host=h", "user=u password=*** host=h"),
        ("Server=h;Uid=u;Pwd='hun ter2';", "Server=h;Uid=u;Pwd=***;"),
        ("u:hunter2@[::1]:5000", "***@[::1]:5000"),
        ("at http：／／u：hunter2＠h/x", "at http://***@h/x"),
        ("全角：説明＝値", "全角：説明＝値"),
        ("at ｈttp：／／u：hunter2＠h", "at http://***@h"),
        ("𝐡ttp://u:hunter2﹫h", "http://***@h"),
        ('postgresql://u:"hunter2"@h/db', "postgresql://***@h/db"),
        ("postgresql://u:'hun ter2'@h/db", "postgresql://***@h/db"),
        ('no u:"hunter2"@h', "no ***@h"),
        ("http://u:hunter2%40h/x", "http://***%40h/x"),
        ("no u:hunter2%40h", "no ***%40h"),
        ("note: mail me@host at 10:30 me@host", "note: mail me@host at 10:30 me@host"),
        ("path: /data/a@b", "path: /data/a@b"),
        ("init https://h:hunter2/x", "init https://h:***/x"),
        (
            "(http://h:hunter2) and http://[::1]:8hunter2?a=b",
            "(http://h:***) and http://[::1]:***?a=***",
        ),
        ("(http://h:5000), http://h:5000. http://h:", "(http://h:5000), http://h:5000. http://h:"),
        ("//h:hunter2/x", "//h:***/x"),
        ("http://h:5000/#access_token=hunter2", "http://h:5000/#***"),
        (SAVED_VIEW, SAVED_VIEW),
        ("no http://u: hunter2@h/x", "no http://***@h/x"),
        ("https://h/docs?a=hunter2#b", "https://h/docs?a=***#***"),
        ("http://u:hunter2@", "http://***@"),
        ("http://u:hunter2@.h, u:hunter2@-h", "http://***@-h"),
        ("no u:hunter2@ h", "no ***@ h"),
        ("<http://u:hunter2@<h>>", "<http://***@<h>>"),
        ("file:///a@b/c and C:\\Users\\a@b", "file:///a@b/c and C:\\Users\\a@b"),
        ("see https://h/docs: mail @ me, a@, b@.", "see https://h/docs: mail @ me, a@, b@."),
        (
            "allowed: http(s)://HOST; write http://***@h",
            "allowed: http(s)://HOST; write http://***@h",
        ),
    ],
)
def test_credentials_are_left_out_of_what_is_shown(text, shown):
    assert redacted(text) == shown == redacted(shown)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("AccountKey=hunter2==;EndpointSuffix=h", "AccountKey=***;EndpointSuffix=h"),
        ("SharedAccessKey=hunter2", "SharedAccessKey=***"),
        ("AWS_SECRET_ACCESS_KEY=hunter2", "AWS_SECRET_ACCESS_KEY=***"),
        ("aws_session_token = hunter2", "aws_session_token = ***"),
        ("PGPASSWORD=hunter2 psql", "PGPASSWORD=*** psql"),
        ("clientSecret: hunter2", "clientSecret: ***"),
        ("pass=hunter2 auth=hunter2", "pass=*** auth=***"),
        ("{'pw': 'hunter2', 'auth': 'hunter2'}", "{'pw': '***', 'auth': '***'}"),
        ("auth=('u', 'hunter2'), {'auth': ('u','hunter2')}", "auth=(***), {'auth': (***)}"),
        ("HTTPBasicAuth('u', 'hunter2')", "HTTPBasicAuth(***)"),
        ("<password>hunter2</password>", "<password>***</password>"),
        ("password:\n  hunter2\nx", "password:\n  ***\nx"),
        ("password={hunter2} PWD={a;hunter2}", "password=*** PWD=***"),
        ("password=a\\ hunter2 x", "password=*** x"),
        ("secret = b'hunter2', password=f'hunter2'", "secret = ***, password=***"),
        ("password='''hunter2''' x", "password=*** x"),
        ("dbpass=hunter2 smtp_pass: hunter2 PASS:hunter2", "dbpass=*** smtp_pass: *** PASS:***"),
        ("/x?key=hunter2&a=1 JSESSIONID=hunter2", "/x?key=***&a=1 JSESSIONID=***"),
        ("hooks.slack.com/services/T0/B0/hunter2", "hooks.slack.com/services/***"),
        ("curl -s -u me:hunter2 x, x --user me:hunter2", "curl -s -u me:*** x, x --user me:***"),
        ("sshpass -p hunter2 ssh h", "sshpass -p *** ssh h"),
        ("no ghp_hunter2hunter2hunter2", "no ***"),
        ("no dapihunter2hunter2hunter2", "no ***"),
        ("no eyJhunter2hunter2.hunter2hunter2.x", "no ***"),
        ("credentials => 'hunter2'", "credentials => ***"),
        ("x&sig=hunter2hunter2hunter2%3D", "x&sig=***"),
        ('password="hunter2', "password=***"),
        ("PWD%3Dhunter2", "PWD%3D***"),
        ("mlflow --api-key hunter2 ui", "mlflow --api-key *** ui"),
        ("Authorization: Bearer hunter2", "Authorization: Bearer ***"),
        ("Proxy-Authorization: Basic hunter2==", "Proxy-Authorization: Basic ***"),
        ("authorization=Token hunter2", "authorization=Token ***"),
        ("Authorization: hunter2", "Authorization: ***"),
        ('Authorization: Digest username="u", response="hunter2"', "Authorization: Digest ***"),
        ("curl -H 'X-Api-Key: hunter2' h", "curl -H 'X-Api-Key: ***' h"),
        ("PRIVATE-TOKEN:hunter2", "PRIVATE-TOKEN:***"),
        ("Set-Cookie: id=hunter2; Path=/", "Set-Cookie: ***"),
        ("refused: Bearer hunter2hunter2hunter2", "refused: Bearer ***"),
        ("{'Authorization': 'Bearer hunter2'}", "{'Authorization': '***'}"),
        ("{'token': b'hunter2'}", "{'token': '***'}"),
        (
            'password: str = "hunter2", pw: str | None = "hunter2"',
            'password: str = "***", pw: str | None = "***"',
        ),
        ('os.environ["DB_PASSWORD"] = "hunter2"', 'os.environ["DB_PASSWORD"] = "***"'),
        ("setdefault('DB_PW', 'hunter2')", "setdefault('DB_PW', '***')"),
        ('("Authorization", "Bearer hunter2")', '("Authorization", "***")'),
        ('{"password": ["hunter2", "hunter2"]}', '{"password": "***"}'),
        ('{"auth": ["me", "hunter2"]}', '{"auth": "***"}'),
        ('auth=["me", "hunter2"]', "auth=***"),
        ("auth = HTTPBasicAuth('u', 'hunter2')", "auth = HTTPBasicAuth(***)"),
        ("passwords = ['hunter2', 'hunter2']", "passwords = ***"),
        ("login me password hunter2", "login me password ***"),
        ("https://discord.com/api/webhooks/1/hunter2", "https://discord.com/api/webhooks/1/***"),
        ("no sk_live_hunter2hunter2hunter2", "no ***"),
        ("no SG.hunter2hunter2.hunter2hunter2", "no ***"),
        ("no pypi-hunter2hunter2hunter2", "no ***"),
        ("no ASIAHUNTER2HUNTER2HUNTER2", "no ***"),
        ("KAGGLE_KEY=hunter2 FOO_PASS: hunter2", "KAGGLE_KEY=*** FOO_PASS: ***"),
        ("db_salt=hunter2, TOKEN_GITHUB=hunter2", "db_salt=***, TOKEN_GITHUB=***"),
        ("pass_word: hunter2, DBPASS=hunter2", "pass_word: ***, DBPASS=***"),
        ("github_pat = hunter2, sentry_dsn='hunter2'", "github_pat = ***, sentry_dsn=***"),
        (
            "-----BEGIN RSA PRIVATE KEY-----\nhunter2\n-----END RSA PRIVATE KEY-----",
            "-----BEGIN RSA PRIVATE KEY-----***-----END RSA PRIVATE KEY-----",
        ),
    ],
)
def test_what_is_secret_by_its_name_is_left_out_of_what_is_shown(text, shown):
    assert redacted(text) == shown == redacted(shown)
    assert "hunter2" not in shown_uri(text)


@pytest.mark.parametrize("secret", ["hunter2", 'a"hunter2', "a\\", "a\nb", 12345])
@pytest.mark.parametrize("name", ["password", "client_secret", "private_key", "X-Api-Key"])
def test_json_stays_json_without_its_secrets(name, secret):
    plain = {"a": [1, "x"], name: secret, "b": {"token": None, "c": "d=e"}}
    hidden = {**plain, name: MASK}
    assert json.loads(redacted(json.dumps(plain))) == hidden
    assert json.loads(json.loads(redacted(json.dumps(json.dumps(plain))))) == hidden


@pytest.mark.parametrize(
    "text",
    [
        "sigma=0.05 sig=0.05",
        "max_tokens=100, tokens: 5, token: null",
        "key: rotation_range, keys=3 key=4",
        "the password was wrong; a credential is missing; no api key given",
        "Bearer of news; cookie cutter; authorization failed; secret sauce",
        "password://x and --token-file /x/y",
        "write tracking.uri: http://HOST:PORT or http://HOST:5000, at 100%40",
        "path_column: path, label_column: label",
        "def f(token): pass",
        "aug.py:high_pass: 0.5, aug.py:low_pass: NO EVIDENCE",
        "sk-inception-resnet-v2-299, hf_hub_download_failed_here1",
        "compass: 3, bypass=1, first pass: 2 of 3, PASS: all",
        "unexpected token: ')', unexpected token: '<', unexpected token: '}'",
        "pass=1, high_pass=3",
        '{"pad_token": "<pad>"}, mask_token="[MASK]", eos_token: </s>',
        "see https://h/docs/a.html#section-2, https://h/a/x.py#L10-L20",
        "pip install git+https://host/x@v1 now",
        "foo:bar@baz.txt",
        "foo:bar@baz, hits: val:acc@1",
        "s3://bucket/photos@2x, https://h/x@2x.png",
        "image_key='image/encoded', sort_key: name, key=value, tokens: 512",
        "pwd: /home/me/x, PWD=/home/me/x, token: 5, {'token': 3}",
        "mailto:me@example.org, repo:tag@sha256:abcdef",
        "git+https://h/x/y@v1.0#egg=y, http://h:5000/#/experiments/0",
        "def f(password: str, token: str = None, secret: bool = False)",
        "salt: fine, salt=0.05, sk: x, pat: left, creds: fine, pass=1, SALT=coarse",
        "Expected a token: got EOF; password: required; token: missing",
        "see https://h/a/x.py#L12C3 and https://h/a/x.py#L12C3-L14C5",
        "TOKENIZERS_PARALLELISM=false, PASSWORD_FILE=/run/x, TOKEN_URL=https://h/x",
        "the author=me, author(s): A (B), sk-learn, hf_hub",
    ],
)
def test_what_is_no_secret_stays(text):
    assert redacted(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "x:" * 500_000,
        "\\" * 500_000,
        "'" * 500_000,
        " " * 500_000,
        "token" * 100_000,
        "@" * 100_000,
        "a@ " * 50_000,
    ],
)
def test_signs_that_a_secret_might_begin_with_take_no_time(text):
    start = time.process_time()
    assert redacted(text) == text
    assert time.process_time() - start < 2


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("postgresql://me:hunter 2\"'<@h/db", "postgresql://***@h/db"),
        ("me:hunter2@h:5000", "***@h:5000"),
        ("postgresql://me:a://hunter2@h/db", "postgresql://***@h/db"),
        (
            "sqlite+pysqlcipher://:hunter2@/m.db?kdf_iter=1",
            "sqlite+pysqlcipher://***@/m.db?kdf_iter=***",
        ),
        ("postgresql://u:hunter2", "postgresql://u:***"),
        ("http:/u:hunter2/x", "http:/u:***/x"),
        ("https://h/x?key=hun@ter2", "https://***@***"),
        ("http://[::1]:hunter2/", "http://[::1]:***/"),
        ("http://[::1]:5000/x", "http://[::1]:5000/x"),
        ("user=u password=hunter2 host=h", "user=u password=*** host=h"),
        ("localhost:5000", "localhost:5000"),
        ("ｈttp：／／u：hunter2＠h", "http://***@h"),
        ("u：hunter2＠h", "***@h"),
        ("sqlite:///日本／ｍ.db", "sqlite:///日本／ｍ.db"),
        ("C:\\mlruns", "C:\\mlruns"),
    ],
)
def test_a_whole_address_is_shown_without_secrets_whatever_signs_it_holds(uri, shown):
    assert shown_uri(uri) == shown == shown_uri(shown)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("tracking.uri:http://u:zq9 pw@h/x", "tracking.uri:http://***@h/x"),
        ("https://u:zq9pw@$HOST/x", "https://***@$HOST/x"),
        ("https://u:zq9pw@{host}/x", "https://***@{host}/x"),
        (f"postgresql://u:{300 * 'p'}zq9@h/db", "postgresql://***@h/db"),
        ('tracking.uri:http://u:1 "p/w@@h/x;a=b', "tracking.uri:http://***@h/x;a=***"),
        ("tracking.uri", "tracking.uri"),
    ],
)
def test_a_wrong_override_is_shown_without_secrets(text, shown):
    assert shown_override(text) == shown


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("postgresql://me:hun%40ter2@h/db", 'password "hun@ter2" for me was wrong at hun%40ter2'),
        ("postgresql://me:a@hunter2@h/db", 'could not translate host name "hunter2@h"'),
        ("mssql+pyodbc:///?odbc_connect=UID%3Dme%3BPWD%3Dhunter2", "login failed: {X};PWD=hunter2"),
        ("postgresql://h/db?password=hunter2&sslkey=/x", "connection to h with hunter2"),
        (
            "https://h/x?sig=hunter2",
            "API request to https://h/x/api?sig=hunter2 and HUN=hunter2 failed",
        ),
    ],
)
def test_what_a_driver_says_is_free_of_the_secrets_of_its_address(uri, said):
    text = without_secrets_of(said, uri)
    assert "hunter2" not in text
    assert "hun@ter2" not in text
    assert "hun%40ter2" not in text
    assert MASK in text


@pytest.mark.parametrize("uri", ["./mlruns", "mlruns", "file:///tmp/mlruns", "/tmp/mlruns"])
def test_a_folder_is_refused_with_what_to_write_instead(uri):
    with pytest.raises(
        UserError, match=r"folder.*allowed: sqlite:///FILE.*write sqlite:///mlflow\.db"
    ):
        checked_uri(uri)


@pytest.mark.parametrize(
    ("uri", "spelling"),
    [
        ("localhost:5000", "http://localhost:5000"),
        ("127.0.0.1:5000/ml", "http://127.0.0.1:5000/ml"),
        ("mlflow.example.org", "http://mlflow.example.org"),
        ("10.0.0.5/ml", "http://10.0.0.5/ml"),
        ("me:hunter2@host:5000?token=hunter2", "http://***@host:5000?token=***"),
        ("http:/host", "http://host"),
        ("http://", "http://HOST:5000"),
        ("http://host:99999", "http://HOST:PORT"),
        ("postgresql://me:hunter2@h:5x/db", "postgresql://HOST:PORT"),
        ("postgres://me:hunter2@h/db", "postgresql://***@h/db"),
        ("sqlite://mlflow.db", "sqlite:///mlflow.db"),
        ("sqlite:mlflow.db", "sqlite:///mlflow.db"),
        ("runs/mlflow.db", "sqlite:///runs/mlflow.db"),
        ("", "sqlite:///mlflow.db"),
        ("http://localhost:5000/#/x?k=hunter2", "server alone: http://localhost:5000"),
        ("sqlite:///~/x.db", "sqlite:////"),
    ],
)
def test_a_slip_in_an_address_is_refused_with_the_right_spelling(uri, spelling):
    with pytest.raises(UserError) as caught:
        check_uri(uri)
    assert f"write {spelling}" in str(caught.value) or f"write the {spelling}" in str(caught.value)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "uri",
    ["ｈttp：／／u：hunter2＠h", "see http://hunter2%40h", "http://u:hunter2%40h", 'u:"hunter2"@h'],
)
def test_an_address_that_is_refused_is_shown_without_secrets(uri):
    with pytest.raises(UserError) as caught:
        check_uri(uri)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("uri", ["sqlite:///a\nb.db", "http://h/\x1b[31m"])
def test_an_address_prints(uri):
    with pytest.raises(UserError, match="a sign that does not print") as caught:
        check_uri(uri)
    assert str(caught.value).isprintable()


def test_an_option_that_sqlite_has_not_is_refused_without_its_value():
    with pytest.raises(UserError, match=r"option 'key'; allowed: cache, ") as caught:
        check_uri("sqlite:///mlflow.db?timeout=5&key=hunter2")
    assert "hunter2" not in str(caught.value)


def test_an_address_that_a_search_has_kept_is_not_taken_for_a_whole_one():
    with pytest.raises(UserError, match=r"keeps no secrets.*write it out again"):
        checked_uri(shown_uri("postgresql://me:hunter2@h/db"))


@pytest.mark.parametrize(
    "name", ["wh?t", "a#b", "100%", "a%20b", "with space", "é日本", "a&b=c", "m@il"]
)
def test_an_sqlite_file_is_the_one_that_is_written_whatever_signs_it_holds(name, tmp_path):
    from sqlalchemy import make_url

    file = tmp_path / name / f"{name}.db"
    uri = checked_uri(f"sqlite:///{file}")
    assert sqlite_file(uri) == file
    assert shown_uri(uri) == redacted(uri) == f"sqlite:///{file}" or " " in name
    assert make_url(mlflow_uri(uri)).database == str(file)
    assert make_url(mlflow_uri(checked_uri(f"{uri}?timeout=5"))).query == {"timeout": "5"}


@pytest.mark.parametrize("uri", ["ftp://me:hunter2@host/x", "sqlite://", "sqlite:///:memory:"])
def test_other_addresses_are_refused_without_their_password(uri):
    with pytest.raises(UserError) as caught:
        checked_uri(uri)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "uri", ["http://h:5000", "https://h", "postgresql+psycopg://h/d", "databricks://profile"]
)
def test_servers_and_databases_are_taken_as_they_are(uri):
    assert checked_uri(uri) == uri


def test_an_sqlite_file_is_taken_from_where_the_search_was_started(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    uri = checked_uri("sqlite:///here/mlflow.db")
    monkeypatch.chdir("/")
    assert uri == f"sqlite:///{tmp_path}/here/mlflow.db" == checked_uri(uri)
    assert (
        artifact_location(uri, tmp_path / "runs" / "x")
        == (tmp_path / "here" / "mlartifacts").as_uri()
    )


def test_files_go_beside_the_run_directory_or_where_the_server_says(tmp_path):
    run_dir = tmp_path / "runs" / "digits"
    assert (
        artifact_location("postgresql://h/d", run_dir)
        == (tmp_path / "runs" / "mlartifacts").as_uri()
    )
    assert artifact_location("https://h", run_dir) is None


@pytest.mark.parametrize("section", ["execution.address", "tracking.experiment"])
def test_other_addresses_that_are_stored_hold_no_password(section):
    from search.driver.experiment_file import parse_config

    first, last = section.split(".")
    data = {"name": "x", "dataset": {"source": "digits"}, first: {last: "ray://u:hunter2@h:1"}}
    with pytest.raises(UserError, match=r"holds what may be a password") as caught:
        parse_config(data, "x.yaml")
    assert "hunter2" not in str(caught.value)
