//! Ordinary texts, none of which is a secret.

use runledger::redaction::Redactor;

use crate::random::{ALNUM, BASE64, DIGITS, HEX, Random, URL};

const PROSE: [&str; 8] = [
    "The token count of the last call was higher than expected, so the password policy must be checked by the author.",
    "Der Schlüssel zum Erfolg ist Geduld; das Passwort wurde geändert, und das Token ist abgelaufen: bitte neu anmelden.",
    "La clé du problème est simple : le mot de passe doit contenir 8 caractères, et le jeton expire après 30 minutes.",
    "La clave de acceso caducó ayer; el secreto está en la paciencia y la contraseña no se guarda: nunca.",
    "La chiave è sotto il tappeto. Il segreto: non dirlo a nessuno. La password scade tra 90 giorni.",
    "密码错误：请重新输入。令牌已过期，密钥保存在服务器上，不要告诉别人。",
    "パスワードが正しくありません。トークンの有効期限が切れました。秘密鍵は共有しないでください。",
    "Ключ находится у администратора; пароль изменён, токен истёк: обратитесь в поддержку.",
];

const LINES: &[&str] = &[
    "token_count=1234",
    "max_tokens: 4096",
    "tokens_input=1000 tokens_output=500 tokens_used=1500",
    "key=value",
    "secret_name=my-secret",
    "secretName: regcred",
    "password: ********",
    "password=<YOUR_PASSWORD>",
    "password = None",
    "password: required",
    "Password: must have at least 8 characters, 1 digit and 1 symbol",
    "$API_KEY",
    "API_KEY=$API_KEY",
    "API_KEY=${API_KEY}",
    "api_key = os.environ[\"OPENAI_API_KEY\"]",
    "api_key: ${{ secrets.OPENAI_API_KEY }}",
    "token: ${{ secrets.GITHUB_TOKEN }}",
    "token: process.env.GITHUB_TOKEN_2,",
    "Authorization: Bearer $TOKEN",
    "Authorization: Bearer <YOUR_TOKEN>",
    "Authorization: Bearer {token}",
    "curl -H \"Authorization: Bearer ${GITHUB_TOKEN}\" https://api.github.com",
    "Authorization: required",
    "authorization header is missing",
    "Bearer authentication is not supported by this server",
    "Basic authentication failed",
    "Basic functionality works",
    "basic understanding",
    "<YOUR_TOKEN>",
    "sk-ant-...",
    "sk-ant-your-key-here",
    "sk-ant-xxxxxxxxxxxxxxxxxxxxxxxx",
    "sk-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
    "ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
    "export ANTHROPIC_API_KEY=sk-ant-...",
    "set ANTHROPIC_API_KEY to your key",
    "scikit-learn and sk-learn are the same",
    "risk-assessment-for-the-new-data-center",
    "task-management-service-deployment-7d4b9c6f5-x2x9z",
    "mask-rcnn-resnet50-fpn-coco-2017-v2",
    "desk-reservation-1",
    "npm_config_registry and npm_lifecycle_event",
    "hf_hub_download failed",
    "text.contains(\"-----BEGIN PRIVATE KEY-----\")",
    "-----BEGIN CERTIFICATE-----\nMIIDdzCCAl+gAwIBAgIEAgAAuTANBgkqhkiG9w0BAQUFADBaMQswCQYDVQQGEwJJ\n-----END CERTIFICATE-----",
    "-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAu1SU1LfVLPHCozMxH2Mo\n-----END PUBLIC KEY-----",
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl user@host",
    "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQC7 me@laptop",
    "http://localhost:8080/path",
    "https://example.com:443/@user/post",
    "https://example.com/a?email=me@example.com",
    "https://unpkg.com/react@18.2.0/umd/react.production.min.js",
    "http://[::1]:3000/@vite/client",
    "https://user@example.com/repo.git",
    "git@github.com:owner/repository.git",
    "ssh://git@github.com/owner/repository.git",
    "postgres://$USER:$PASSWORD@localhost/db",
    "postgres://user:${DB_PASSWORD}@localhost/db",
    "postgres://user:<password>@localhost/db",
    "postgres://user:***@localhost/db",
    "postgres://localhost:5432/postgres",
    "mailto:someone@example.com",
    "jdbc:postgresql://db:5432/prod?user=app",
    "primary_key: 018f2b3c-7d4e-7a1b-9c2d-3e4f5a6b7c8d",
    "cache_key=Zx3kQ9vLp2Rt7WnB4mYcQ",
    "key: Linux-cargo-9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "idempotency_key=9f86d081884c7d659a2feaa0c55ad015",
    "key=018f2b3c-7d4e-7a1b-9c2d-3e4f5a6b7c8d",
    "public_key=Zx3kQ9vLp2Rt7WnB4mYcQ",
    "key: src/components/Button3/index.test.tsx",
    "key=uploads/2026/11/30/3f2a9c1b7d.png",
    "sort_key = created_at_2026",
    "nextPageToken: CiAKGjBpNDd2Nmp2Zml2cXRwYjBpOXA",
    "next_token=AQICAHgZx3kQ9vLp2Rt7WnB4mYc",
    "eos_token: <|endoftext|>",
    "pad_token_id=50256",
    "token = tokenizer.decode(ids[0])",
    "let token = lexer.next_token();",
    "const token = await getToken2({ req });",
    "password = getPassword2()",
    "password: hash_password(value1)",
    "if password != confirm_password { return Err(Error::Mismatch2); }",
    "def login(user, password): pass",
    "pub password: Option<String>,",
    "password: config.Database1.password",
    "the author of auth.rs and authorize.rs",
    "auth: none",
    "auth=basic",
    "credentials: same-origin",
    "credential helper 'store'",
    "secret: true",
    "secrets: inherit",
    "keyboard=us",
    "monkey=banana",
    "turnkey: solution",
    "hotkey: ctrl+shift+k",
    "KeyError: 'model_name_2'",
    "KeyError: token",
    "SyntaxError: Unexpected token } in JSON at position 2041",
    "Unexpected token: identifier (line 1, column 20)",
    "commit 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b",
    "index 83db48f..bf269f4 100644",
    "diff --git a/src/token.rs b/src/token.rs",
    "Author: Jane Doe <jane@example.com>",
    "Signed-off-by: Jane Doe <jane@example.com>",
    "Merge pull request #12 from owner/feature-auth-token",
    "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "integrity sha512-9NK7p6cW+yM1cGZ1Yo7UXtbjLmuCbNrEwQ3N1u4yI4fbx2QKUXbP5a3mUoPNX1DfUy1PD1ySQRWiKO9BYfHzXw==",
    "\"integrity\": \"sha512-v2kDEe57lecTulaDIuNTPy3Ry4gLGJ6Z1O3vE1krgXZNrsQ+LFTGHVxVjcXPs17LhbZVGedAJv8XZ1tvj5FvSg==\"",
    "checksum = \"8a2db12f1a1f2a5ba5ce1a6c1c21f1b2d1d1b2b0b822cd15d6c15b0f00a08b0f\"",
    "etag: W/\"33a64df551425fcc55e4d42a148795d9f25f89d4\"",
    "claude-opus-4-5-20251101",
    "claude-3-5-sonnet-20241022-v2:0",
    "gpt-4o-mini-2024-07-18",
    "anthropic.claude-3-5-sonnet-20241022-v2:0",
    "gemini-2.5-flash-preview-09-2025",
    "meta-llama/Meta-Llama-3.1-405B-Instruct-Turbo",
    "ft:gpt-4o-mini-2024-07-18:acme::9xYzAbCd",
    "arn:aws:iam::123456789012:role/service-role/MyRole-1ABCDEF",
    "ASIANDEVELOPMENTBANK",
    "/home/user/.config/key/token/secret.json",
    "/usr/lib/python3.12/site-packages/keyring/backends/SecretService.py",
    "C:\\Users\\me\\AppData\\Local\\Token\\Key.dat",
    "node_modules/.pnpm/@babel+core@7.24.0/node_modules/@babel/core/lib/index.js",
    "thread 'main' panicked at src/auth/token.rs:42:17: called `Option::unwrap()` on a `None` value",
    "  at Object.<anonymous> (/app/node_modules/jest-runner/build/runTest.js:367:13)",
    "Traceback (most recent call last):\n  File \"auth.py\", line 12, in get_token\n    raise KeyError(key)",
    "at com.example.auth.TokenService$$EnhancerBySpringCGLIB$$5f3c1d2e.getToken(<generated>)",
    "!function(e,t){\"object\"==typeof exports?module.exports=t():e.key=t()}(this,function(){var e={token:1,key:function(e){return e.key}}})",
    "var a={key:\"onPress\",value:function(t){this.props.onPress2(t)}},b={key:\"componentDidMount\",value:function(){}}",
    "{\"key\":\"ButtonGroupContainerItem2\",\"token\":null,\"secret\":false}",
    "{\"tokens\":{\"input\":1200,\"output\":300},\"cache_key\":\"a\"}",
    "rgba(12,34,56,.7);background:url(data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7)",
    "[redacted:github-token:ab12]",
    "password=[redacted:password:ab12]",
    "https://user:[redacted:url-password:ab12]@host/",
    "Authorization: Bearer [redacted:authorization:ab12]",
    "PASS tests/auth/token.test.ts (12.3 s)",
    "pass: 12, fail: 0",
    "sig=none",
    "signature=valid",
    "12:30:45:AA",
    "the SKU is SK1234567890",
    "passkey: enabled",
    "tokenizer=cl100k_base",
    "session_id=0193a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b",
    "trace_id=4bf92f3577b34da6a3ce929d0e0e4736 span_id=00f067aa0ba902b7",
    "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
];

/// Returns one ordinary text of a kind.
fn generated(kind: usize, random: &mut Random) -> String {
    match kind {
        0 => random.text(HEX, 64),
        1 => random.text(HEX, 40),
        2 => random.text(HEX, 32),
        3 => {
            let mut part = |len| random.text(HEX, len);
            format!("{}-{}-7{}-a{}-{}", part(8), part(4), part(3), part(3), part(12))
        }
        // A PNG or a JPEG as base64, in one line or in lines of 76 characters.
        4 => format!("data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAA{}==", random.text(BASE64, 900)),
        5 => {
            let lines: Vec<_> = (0..12).map(|_| random.text(BASE64, 76)).collect();
            format!("/9j/4AAQSkZJRgABAQ\n{}", lines.join("\n"))
        }
        6 => format!(
            "commit {}\nAuthor: A B <a@example.com>\n\n    Fix token in key {}",
            random.text(HEX, 40),
            random.text(DIGITS, 3)
        ),
        7 => format!("/var/lib/{}/{}/token/{}.json", random.text(ALNUM, 12), random.text(HEX, 8), random.text(URL, 21)),
        8 => format!(
            "https://cdn.example.com/{}/{}?v={}",
            random.text(HEX, 16),
            random.text(URL, 22),
            random.text(ALNUM, 11)
        ),
        9 => format!(
            "max_tokens={} token_count: {} key={}",
            random.text(DIGITS, 4),
            random.text(DIGITS, 6),
            random.text(DIGITS, 18)
        ),
        10 => format!(
            "thread {} panicked at src/{}.rs:{}:7: token {}",
            random.below(64),
            random.text("abc_", 9),
            random.text(DIGITS, 3),
            random.text(DIGITS, 2)
        ),
        11 => format!("request_id=req_{} status=429", random.text(ALNUM, 24)),
        12 => format!(
            "msg_{} toolu_{} chatcmpl-{}",
            random.text(ALNUM, 24),
            random.text(ALNUM, 24),
            random.text(ALNUM, 29)
        ),
        13 => format!("sha512-{}==", random.text(BASE64, 86)),
        14 => PROSE[random.below(PROSE.len())].to_owned() + &format!(" ({})", random.text(DIGITS, 5)),
        15 => {
            let line = LINES[random.below(LINES.len())];
            format!("{}: {line}", random.text(DIGITS, 4))
        }
        16 => format!(
            "execution {} took {} ms, cost 0.{} USD",
            random.text(HEX, 12),
            random.text(DIGITS, 4),
            random.text(DIGITS, 6)
        ),
        17 => format!("sealed/{}.jsonl:{}:{}", random.text(DIGITS, 6), random.text(DIGITS, 3), random.text(HEX, 64)),
        18 => format!("cache_key={} etag=\"{}\"", random.text(ALNUM, 40), random.text(HEX, 32)),
        _ => format!(
            "e.{}=function(t){{return t.key===\"{}\"&&t.token}}",
            random.text("abcdefgh", 3),
            random.text("abcdefghij", 12)
        ),
    }
}

#[test]
fn ordinary_texts_stay_as_they_are() {
    let redactor = Redactor::new();
    let mut random = Random(3);
    let texts = LINES
        .iter()
        .chain(&PROSE)
        .map(|line| (*line).to_owned())
        .chain((0..10_000).map(|n| generated(n % 20, &mut random)));
    let mut count = 0;
    let changed: Vec<_> = texts
        .filter_map(|text| {
            count += 1;
            let found = redactor.find(text.as_bytes());
            (!found.is_empty()).then(|| {
                format!("{}: {:.300}", found[0].rule, &text[found[0].range.clone()]) + &format!("   in {text:.120}")
            })
        })
        .collect();
    assert!(count > 10_000, "{count}");
    assert_eq!(changed.len(), 0, "of {count} texts:\n{}", changed[..changed.len().min(40)].join("\n"));
}
