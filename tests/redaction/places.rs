//! Secrets in the files, commands and messages in which they usually occur.

use runledger::redaction::Redactor;

/// Texts written by hand. Each secret is between `«` and `»`, which are removed. The text after the last secret stays.
const PLACES: &[(&str, &[&str], &str)] = &[
    ("the password of curl", &["password"], "curl -sS -u «deploy:Wint3r-2026!x» https://repo.example.com/a.jar"),
    (
        "the long option of curl",
        &["password"],
        "curl --user '«svc_ci:kJ8#pQ2zLm»' -X PUT https://repo.example.com/a.jar",
    ),
    (
        "a header of curl",
        &["secret"],
        "curl -H 'X-Api-Key: «Zx3kQ9vLp2Rt7WnB4mYc»' -H 'Accept: */*' https://api.example.com",
    ),
    (
        "a header of GitLab",
        &["gitlab-token"],
        "curl --header \"PRIVATE-TOKEN: «glpat-Zx3kQ9vLp2Rt7WnB4mYc»\" https://gitlab.example.com/api/v4",
    ),
    ("a cookie", &["cookie"], "Cookie: «theme=dark; sessionid=8b2f0e7c1d9a4c63b5e0f7a2d4c6b8e1; lang=de»"),
    (
        "a cookie that is set",
        &["cookie"],
        "< Set-Cookie: «session=eyJfZnJlc2giOmZhbHNlfQ.Zx3kQ9.vLp2Rt7WnB4mYcAbCdEfGhIjKlM»; HttpOnly; Path=/",
    ),
    (
        "the environment of docker",
        &["password", "secret"],
        "docker run -d -e POSTGRES_PASSWORD=«s3cr3t-Pg!» -e API_TOKEN=«Zx3kQ9vLp2Rt7WnB4mYc» --name db postgres:16",
    ),
    ("docker inspect", &["password"], r#""Env": ["PATH=/usr/bin", "MYSQL_ROOT_PASSWORD=«Xk9!vQ2z»", "LANG=C"],"#),
    (
        "the login of docker",
        &["secret"],
        r#"{"auths":{"https://index.docker.io/v1/":{"auth":"«YWxpY2U6VHIwdWI0ZG9yJjM=»"}}}"#,
    ),
    (
        ".npmrc",
        &["npm-token"],
        "//registry.npmjs.org/:_authToken=«npm_aB3dE5fG7hJ9kL1mN3pQ5rS7tU9vW1xY3z»\nalways-auth=true",
    ),
    (
        ".npmrc with a password",
        &["password"],
        "//npm.example.com/:_password=«VHIwdWI0ZG9yJjMtbG9uZw==»\n//npm.example.com/:username=ci",
    ),
    (".npmrc with _auth", &["secret"], "//npm.example.com/:_auth=«Y2k6VHIwdWI0ZG9yJjMtbG9uZw==»\nemail=ci@example.com"),
    (
        ".netrc",
        &["password"],
        "machine api.heroku.com login a@example.com password «c0ffee12-3456-7890-abcd-ef1234567890»\n",
    ),
    (".pgpass", &["password"], "db.example.com:5432:prod:app:«Tr0ub4dor&3»\n"),
    (
        "the token of a kubeconfig",
        &["rancher-token"],
        "users:\n- name: admin\n  user:\n    token: «kubeconfig-u-7xkq9z2mnb:zx3kq9vlp2rt7wnb4myc8d6f1g5h0j»\n",
    ),
    (
        "the key of a kubeconfig",
        &["private-key"],
        "    client-key-data: «LS0tLS1CRUdJTiBSU0EgUFJJVkFURSBLRVktLS0tLQpNSUlFcEFJQkFBS0NBUUVB»\n  name: x",
    ),
    (
        "a secret of Kubernetes",
        &["password"],
        "apiVersion: v1\nkind: Secret\ndata:\n  password: «VHIwdWI0ZG9yJjMhIQ==»\n",
    ),
    (
        "JSON in JSON in JSON",
        &["secret"],
        r#"{"log":"{\"body\":\"{\\\"api_key\\\":\\\"«Zx3kQ9vLp2Rt7WnB4mYc»\\\"}\"}"}"#,
    ),
    ("a form", &["password"], "POST /login username=ann&password=«Tr0ub4dor%263»&csrf=1"),
    ("a URL in a URL", &["url-password"], "redirect_uri=https%3A%2F%2Fbot%3A«x9-Kd_2q»%40git.example.com%2Fa.git&x=1"),
    (
        "Windows line ends",
        &["password", "secret"],
        "[db]\r\nPassword=«Kp2$mmQ9»\r\nApiKey=«Zx3kQ9vLp2Rt7WnB4mYc»\r\n[end]\r\n",
    ),
    (
        "YAML",
        &["password", "secret"],
        "db:\n  password: \"«Xk9!vQ2z»\"\n  api_key: '«Zx3kQ9vLp2Rt7WnB4mYc»'\n  port: 5432\n",
    ),
    ("a folded value of YAML", &["secret"], "  client_secret: >-\n    «Zx3kQ9vLp2Rt7WnB4mYc»\n  region: eu\n"),
    (
        "the repr of a dict",
        &["password", "secret"],
        "KeyError: {'user': 'ann', 'password': '«Xk9!vQ2z»', 'api_key': '«Zx3kQ9vLp2Rt7WnB4mYc»'}",
    ),
    ("the repr of bytes", &["secret"], "headers={b'x-api-key': b'«Zx3kQ9vLp2Rt7WnB4mYc»', b'accept': b'*/*'}"),
    ("the repr of a dataclass", &["secret"], "Config(host='db', api_key=SecretStr('«Zx3kQ9vLp2Rt7WnB4mYc»'), port=1)"),
    (
        "a traceback",
        &["openai-key"],
        "openai.AuthenticationError: Error code: 401 - {'error': {'message': 'Incorrect API key provided: «sk-proj-Ab3dE5fG7hJ9kL1mN3pQ5rS7tU9vW1xY3zAb3d». You can find'}}",
    ),
    (
        "a traceback of SQLAlchemy",
        &["url-password"],
        "sqlalchemy.exc.OperationalError: (Background on this error at: postgresql+asyncpg://app:«N0t-4-you»@10.0.0.5:5432/prod)",
    ),
    ("the Debug of Rust", &["password"], "Config { user: \"ann\", password: \"«Xk9!vQ2z»\", port: 1 }"),
    ("the Debug of an Option", &["secret"], "Client { api_key: Some(\"«Zx3kQ9vLp2Rt7WnB4mYc»\"), retries: 3 }"),
    ("Terraform", &["password"], "+ master_password = \"«Tr0ub4dor#3»\" -> (known after apply)"),
    ("PowerShell", &["secret"], "$env:API_TOKEN = \"«Zx3kQ9vLp2Rt7WnB4mYc»\"; Get-Item ."),
    ("cmd.exe", &["secret"], "set API_TOKEN=«Zx3kQ9vLp2Rt7WnB4mYc»\r\ndir"),
    ("fish", &["secret"], "set -x API_TOKEN «Zx3kQ9vLp2Rt7WnB4mYc»\n"),
    ("sshpass", &["password"], "sshpass -p '«Tr0ub4dor&3»' ssh root@10.0.0.5"),
    ("mysql -p", &["password"], "mysql -uroot -p«Tr0ub4dor3!» prod"),
    ("an XML attribute", &["password"], "<add key=\"DbPassword\" value=\"«Kp2$mmQ9»\" />"),
    (
        "settings.xml",
        &["password"],
        "<server><id>x</id><username>ci</username><password>«Kp2$mmQ9x»</password></server>",
    ),
    ("ODBC", &["password"], "Driver={ODBC};Server=db;Uid=sa;Pwd=«Y0ur_Str0ng»;"),
    (
        "an AWS credential file",
        &["aws-access-key-id", "secret", "secret"],
        "[default]\naws_access_key_id = «AKIAZ7QXKPLM3NRTVW2B»\naws_secret_access_key = «wJalrXUtnFEMI/K7MDENG/bPxRfiCYzzzzzzzKEY»\naws_session_token = «FwoGZXIvYXdzEBYaDHqa0AP1L3zWLr7bZiLUAZqa0AP1L3zWLr7bZiLU»\n",
    ),
    (
        "a presigned URL",
        &["url-signature"],
        "https://b.s3.amazonaws.com/k?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=«fe5f80f77d5fa3beca038a248ff027d0445342fe2855ddc963176630326f1024»&x=1",
    ),
    (
        "a service account of Google",
        &["private-key"],
        "\"private_key\": \"«-----BEGIN PRIVATE KEY-----\\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSj\\nAgEAAoIBAQC7VJTUt9Us8cKj\\n-----END PRIVATE KEY-----»\\n\",",
    ),
    (
        "a private key on Windows",
        &["private-key"],
        "key:\r\n«-----BEGIN OPENSSH PRIVATE KEY-----\r\nb3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQ\r\nAAAAtzc2gtZWQyNTUxOQAAACD\r\n-----END OPENSSH PRIVATE KEY-----»\r\nend",
    ),
    (
        "an indented private key",
        &["private-key"],
        "  tls.key: |\n    «-----BEGIN EC PRIVATE KEY-----\n    MHcCAQEEIIr0qKd0mJtV1nXv5Wc3\n    -----END EC PRIVATE KEY-----»\n  x: 1",
    ),
    (
        "git",
        &["github-token"],
        "remote: Invalid username or password.\nfatal: Authentication failed for 'https://oauth2:«ghp_16C7e42F292c6912E7710c838347Ae178B4a»@github.com/a/b.git/'",
    ),
    ("Actions", &["github-token"], "##[add-mask]«ghs_16C7e42F292c6912E7710c838347Ae178B4a»"),
    ("Redis", &["password"], "redis-cli -h cache -a «Tr0ub4dor&3x» ping"),
];

#[test]
fn secrets_in_files_commands_and_messages_are_found() {
    let mut missed = Vec::new();
    for (name, rules, marked) in PLACES {
        let (text, mut expected, mut rest, mut rules) =
            (marked.replace(['«', '»'], ""), String::new(), *marked, rules.iter());
        while let Some((before, after)) = rest.split_once('«') {
            let (secret, after) = after.split_once('»').unwrap();
            let digits = &runledger::hash_bytes(secret)[..4];
            expected.push_str(&format!("{before}[redacted:{}:{digits}]", rules.next().unwrap()));
            rest = after;
        }
        expected.push_str(rest);
        let redacted = Redactor::new().redact(&text).text.into_owned();
        if redacted != expected {
            missed.push(format!("{name}:\n  {expected}\n  {redacted}"));
        }
    }
    assert!(missed.is_empty(), "{} of {}:\n{}", missed.len(), PLACES.len(), missed.join("\n"));
}

/// The search over JSON must not skip a record with such a text.
#[test]
fn the_search_over_json_skips_no_place() {
    for (name, _, marked) in PLACES {
        let text = marked.replace(['«', '»'], "");
        let json = serde_json::json!({"error_reason": text}).to_string();
        assert!(Redactor::new().may_find(json.as_bytes()), "{name}: {json}");
    }
}

/// Texts that look like the places above, and have no secret.
const ORDINARY: &[&str] = &[
    "docker run -u 1000:1000 --name app curlimages/curl:8.9.1",
    "docker run --name mysql -p 3306:3306 -d mysql:8.4",
    "docker run --name mysql -p3306:3306 -d mysql:8.4",
    "docker run --name mysql -p 127.0.0.1:3306:3306/tcp mysql:8.4",
    "mysql -u root -p Production2 < dump.sql",
    "mysql -h db -P 3306 -uroot",
    "curl -u alice https://example.com",
    "curl -u \"$USER:$PASS\" https://example.com",
    "curl -u ${USER}:${PASS} https://example.com",
    "curl -u <user>:<password> https://example.com",
    "curl -u user: https://example.com",
    "curl --user-agent=Mozilla/5.0:X11 https://example.com",
    "curl --upload-file a.txt https://example.com",
    "curl x | tar -p Abc1:def2",
    "git push -u origin feature-2:main",
    "mkdir -p src/Redaction2/places && cp -a Assets1 build",
    "redis-cli -a \"$REDIS_PASSWORD\" ping",
    "sshpass -p \"$SSH_PASSWORD\" ssh root@10.0.0.5",
    "sshpass -p <password> ssh host",
    "Cookie: none",
    "Cookie: theme=dark; lang=de",
    "cookie: the browser did not send one",
    "cookieConsent=accepted-2026-11-30",
    "set-cookie: lang=de; Path=/; Expires=Wed, 21 Oct 2026 07:28:00 GMT",
    "password = input(\"Enter Password1: \")",
    "password: |-\n  see the wiki for it\n",
    "token: >-\n  tokenizer\n",
    "token: Some(Token2)",
    "api_key: None, secret: Some(\"\")",
    "api_key=SecretStr('**********')",
    "machine learning needs a login page, and its password field is required",
    "<add key=\"Theme\" value=\"Kp2$mmQ9\" />",
    "<input type=\"password\" value=\"\" name=\"a\">",
    "ports: 127.0.0.1:5432:5432",
    "listening on 0.0.0.0:5432: address in use",
    "db:5432:prod:app:*",
    "next=https%3A%2F%2Fexample.com%3A8080%2Fusers%2Fa%40example.com",
    "u=https%3A%2F%2Fexample.com%2Fa%3Ab%40c",
    "u=https%3A%2F%2Fuser%40example.com",
    "X-Amz-Signature=<signature>&X-Amz-Date=20261130T000000Z",
    "Signature=9f86d081884c7d659a2feaa0c55ad015",
    "set -x PATH /usr/local/bin $PATH",
    "kubeconfig-loader: found no context",
    "curl -u [redacted:anthropic-key:2408] https://example.com",
    "curl -u ghp_[redacted:private-key:6772] https://example.com",
    "curl -u user:a[redacted:private-key:6772] https://example.com",
    "curl -u [redacted:anthropic-key:2408]:[redacted:password:0e84] https://example.com",
    "certificate-authority-data: LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCk1JSURkekNDQWwrZ0F3SUJBZ0lFQWdBQXVU",
];

#[test]
fn ordinary_texts_in_these_places_stay_as_they_are() {
    let changed: Vec<_> = ORDINARY
        .iter()
        .map(|text| (text, Redactor::new().redact(text).text.into_owned()))
        .filter(|(text, redacted)| **text != redacted)
        .collect();
    assert!(changed.is_empty(), "{changed:#?}");
}
