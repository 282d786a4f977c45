//! Credentials in the formats that their issuers document, in the places in which they occur.

use runledger::redaction::Redactor;

use crate::random::{ALNUM, BASE32, BASE64, DIGITS, HEX, LOWER, Random, URL};

/// A part of a credential: fixed text, or random characters of an alphabet.
enum Part {
    Fixed(&'static str),
    Of(&'static str, usize),
}
use Part::{Fixed, Of};

/// The formats: the rule that a marker names, and the parts. They are written from the issuers' documents and from the
/// documents of scanners, and not from the rules.
const FORMATS: &[(&str, &[Part])] = &[
    ("anthropic-key", &[Fixed("sk-ant-api03-"), Of(URL, 93), Fixed("AA")]),
    ("anthropic-key", &[Fixed("sk-ant-admin01-"), Of(URL, 93), Fixed("AA")]),
    ("anthropic-key", &[Fixed("sk-ant-oat01-"), Of(URL, 86)]),
    ("openai-key", &[Fixed("sk-"), Of(ALNUM, 20), Fixed("T3BlbkFJ"), Of(ALNUM, 20)]),
    ("openai-key", &[Fixed("sk-proj-"), Of(URL, 74), Fixed("T3BlbkFJ"), Of(URL, 74)]),
    ("openai-key", &[Fixed("sk-svcacct-"), Of(URL, 58), Fixed("T3BlbkFJ"), Of(URL, 58)]),
    ("openai-key", &[Fixed("sk-admin-"), Of(URL, 58), Fixed("T3BlbkFJ"), Of(URL, 58)]),
    ("openai-key", &[Fixed("sk-"), Of(HEX, 32)]),
    ("openrouter-key", &[Fixed("sk-or-v1-"), Of(HEX, 64)]),
    ("langfuse-key", &[Fixed("sk-lf-"), Of(HEX, 8), Fixed("-4c1e-4f2a-9b3d-"), Of(HEX, 12)]),
    ("google-api-key", &[Fixed("AIza"), Of(URL, 35)]),
    ("google-oauth-token", &[Fixed("ya29."), Of(URL, 120)]),
    ("google-client-secret", &[Fixed("GOCSPX-"), Of(URL, 28)]),
    ("google-refresh-token", &[Fixed("1//0"), Of(ALNUM, 60)]),
    ("aws-access-key-id", &[Fixed("AKIA"), Of(BASE32, 16)]),
    ("aws-access-key-id", &[Fixed("ASIA2"), Of(BASE32, 15)]),
    ("aws-session-token", &[Fixed("IQoJb3JpZ2luX2Vj"), Of(BASE64, 200), Fixed("==")]),
    ("github-token", &[Fixed("ghp_"), Of(ALNUM, 36)]),
    ("github-token", &[Fixed("gho_"), Of(ALNUM, 36)]),
    ("github-token", &[Fixed("ghu_"), Of(ALNUM, 36)]),
    ("github-token", &[Fixed("ghs_"), Of(ALNUM, 36)]),
    ("github-token", &[Fixed("ghr_"), Of(ALNUM, 36)]),
    ("github-token", &[Fixed("github_pat_"), Of(ALNUM, 22), Fixed("_"), Of(ALNUM, 59)]),
    ("gitlab-token", &[Fixed("glpat-"), Of(URL, 20)]),
    ("gitlab-token", &[Fixed("glpat-"), Of(URL, 27), Fixed(".01."), Of(LOWER, 9)]),
    ("gitlab-token", &[Fixed("gldt-"), Of(URL, 20)]),
    ("gitlab-token", &[Fixed("glcbt-4f_"), Of(URL, 20)]),
    ("gitlab-token", &[Fixed("glrt-"), Of(URL, 20)]),
    ("gitlab-token", &[Fixed("glptt-"), Of(HEX, 40)]),
    ("gitlab-token", &[Fixed("glsoat-"), Of(URL, 20)]),
    ("gitlab-token", &[Fixed("glft-"), Of(URL, 20)]),
    ("gitlab-token", &[Fixed("gloas-"), Of(HEX, 64)]),
    ("gitlab-token", &[Fixed("glagent-"), Of(URL, 50)]),
    ("gitlab-token", &[Fixed("glimt-"), Of(URL, 25)]),
    ("gitlab-token", &[Fixed("GR1348941"), Of(URL, 20)]),
    ("slack-token", &[Fixed("xoxb-"), Of(DIGITS, 12), Fixed("-"), Of(DIGITS, 13), Fixed("-"), Of(ALNUM, 24)]),
    ("slack-token", &[Fixed("xoxp-"), Of(DIGITS, 12), Fixed("-"), Of(DIGITS, 12), Fixed("-"), Of(HEX, 32)]),
    ("slack-token", &[Fixed("xoxa-2-"), Of(ALNUM, 24)]),
    ("slack-token", &[Fixed("xoxs-"), Of(DIGITS, 12), Fixed("-"), Of(HEX, 24)]),
    ("slack-token", &[Fixed("xoxe.xoxp-1-"), Of(BASE32, 163)]),
    ("slack-token", &[Fixed("xapp-1-A0"), Of(BASE32, 9), Fixed("-"), Of(DIGITS, 13), Fixed("-"), Of(HEX, 64)]),
    (
        "slack-webhook",
        &[Fixed("hooks.slack.com/services/T0"), Of(BASE32, 8), Fixed("/B0"), Of(BASE32, 8), Fixed("/"), Of(ALNUM, 24)],
    ),
    ("discord-webhook", &[Fixed("discord.com/api/webhooks/"), Of(DIGITS, 18), Fixed("/"), Of(URL, 68)]),
    ("stripe-key", &[Fixed("sk_live_"), Of(ALNUM, 24)]),
    ("stripe-key", &[Fixed("sk_test_51"), Of(ALNUM, 97)]),
    ("stripe-key", &[Fixed("rk_live_"), Of(ALNUM, 24)]),
    ("stripe-webhook-secret", &[Fixed("whsec_"), Of(ALNUM, 32)]),
    ("npm-token", &[Fixed("npm_"), Of(ALNUM, 36)]),
    ("pypi-token", &[Fixed("pypi-AgEIcHlwaS5vcmc"), Of(URL, 150)]),
    ("jwt", &[Fixed("eyJhbGciOiJIUzI1NiJ9.eyJzdWIi"), Of(URL, 40), Fixed("."), Of(URL, 43)]),
    (
        "jwt",
        &[
            Fixed("eyJhbGciOiJSU0EtT0FFUCJ9."),
            Of(URL, 86),
            Fixed("."),
            Of(URL, 16),
            Fixed("."),
            Of(URL, 60),
            Fixed("."),
            Of(URL, 22),
        ],
    ),
    ("huggingface-token", &[Fixed("hf_"), Of(ALNUM, 34)]),
    ("sendgrid-key", &[Fixed("SG."), Of(URL, 22), Fixed("."), Of(URL, 43)]),
    ("twilio-key", &[Fixed("SK"), Of(HEX, 32)]),
    ("digitalocean-token", &[Fixed("dop_v1_"), Of(HEX, 64)]),
    ("digitalocean-token", &[Fixed("doo_v1_"), Of(HEX, 64)]),
    ("databricks-token", &[Fixed("dapi"), Of(HEX, 32)]),
    ("azure-client-secret", &[Of(ALNUM, 3), Fixed("8Q~"), Of(ALNUM, 34)]),
    ("telegram-token", &[Of(DIGITS, 10), Fixed(":AA"), Of(ALNUM, 33)]),
    ("shopify-token", &[Fixed("shpat_"), Of(HEX, 32)]),
    ("shopify-token", &[Fixed("shpss_"), Of(HEX, 32)]),
    ("mailgun-key", &[Fixed("key-"), Of(HEX, 32)]),
    ("mailchimp-key", &[Of(HEX, 32), Fixed("-us12")]),
    ("grafana-token", &[Fixed("glsa_"), Of(ALNUM, 32), Fixed("_"), Of(HEX, 8)]),
    ("grafana-token", &[Fixed("glc_"), Of(BASE64, 80)]),
    ("groq-key", &[Fixed("gsk_"), Of(ALNUM, 52)]),
    ("xai-key", &[Fixed("xai-"), Of(ALNUM, 80)]),
    ("replicate-token", &[Fixed("r8_"), Of(ALNUM, 37)]),
    ("perplexity-key", &[Fixed("pplx-"), Of(ALNUM, 48)]),
    ("fireworks-key", &[Fixed("fw_"), Of(ALNUM, 24)]),
    ("langsmith-key", &[Fixed("lsv2_pt_"), Of(HEX, 32), Fixed("_"), Of(HEX, 10)]),
    ("posthog-key", &[Fixed("phc_"), Of(ALNUM, 43)]),
    ("linear-key", &[Fixed("lin_api_"), Of(ALNUM, 40)]),
    ("notion-token", &[Fixed("ntn_"), Of(DIGITS, 11), Of(ALNUM, 35)]),
    ("notion-token", &[Fixed("secret_"), Of(ALNUM, 43)]),
    ("vault-token", &[Fixed("hvs."), Of(URL, 95)]),
    ("age-key", &[Fixed("AGE-SECRET-KEY-1"), Of("QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L", 58)]),
    ("terraform-token", &[Of(ALNUM, 14), Fixed(".atlasv1."), Of(URL, 67)]),
    ("airtable-token", &[Fixed("pat"), Of(ALNUM, 14), Fixed("."), Of(HEX, 64)]),
    ("doppler-token", &[Fixed("dp.pt."), Of(ALNUM, 43)]),
    ("pulumi-token", &[Fixed("pul-"), Of(HEX, 40)]),
    ("docker-token", &[Fixed("dckr_pat_"), Of(URL, 27)]),
    ("rubygems-token", &[Fixed("rubygems_"), Of(HEX, 48)]),
    ("sentry-token", &[Fixed("sntryu_"), Of(HEX, 64)]),
    ("newrelic-key", &[Fixed("NRAK-"), Of(BASE32, 27)]),
    ("dynatrace-token", &[Fixed("dt0c01."), Of(BASE32, 24), Fixed("."), Of(BASE32, 64)]),
    ("postman-key", &[Fixed("PMAK-"), Of(HEX, 24), Fixed("-"), Of(HEX, 34)]),
    ("planetscale-token", &[Fixed("pscale_tkn_"), Of(URL, 43)]),
    ("tailscale-key", &[Fixed("tskey-auth-k"), Of(ALNUM, 12), Fixed("-"), Of(ALNUM, 32)]),
    ("supabase-key", &[Fixed("sbp_"), Of(HEX, 40)]),
    ("nvidia-key", &[Fixed("nvapi-"), Of(URL, 64)]),
    ("pinecone-key", &[Fixed("pcsk_"), Of(ALNUM, 6), Fixed("_"), Of(ALNUM, 60)]),
    ("atlassian-token", &[Fixed("ATATT3xFfGF0"), Of(URL, 170), Fixed("="), Of(HEX, 8)]),
    ("square-token", &[Fixed("sq0atp-"), Of(URL, 22)]),
    ("brevo-key", &[Fixed("xkeysib-"), Of(HEX, 64), Fixed("-"), Of(ALNUM, 16)]),
    ("figma-token", &[Fixed("figd_"), Of(URL, 40)]),
];

/// Where a secret can occur. `@` is its place.
const CONTEXTS: &[&str] = &[
    "@",
    "error: invalid credential @",
    "error: @ is not accepted, see the documents",
    r#"{"error":{"message":"bad key @","code":401}}"#,
    r#"{\"message\":\"first line\n@\"}"#,
    "curl -H 'X-Key: @' https://api.example.com/v1/models",
    "https://api.example.com/v1?x=1&v=@&page=2",
    "export THING='@'; ./run.sh",
    "日本語のログ「@」です",
    "clé refusée : «@» …",
    "\u{1b}[31m@\u{1b}[0m",
    "line one\r\n\t@\r\nline three",
    "redirect=https%3A%2F%2Fx.example%2F%3Fq%3D@",
    "(@)",
    "<b>@</b>",
];

fn secret(parts: &[Part], random: &mut Random) -> String {
    loop {
        let mut text = String::new();
        for part in parts {
            match part {
                Fixed(fixed) => text.push_str(fixed),
                Of(alphabet, len) => text.push_str(&random.text(alphabet, *len)),
            }
        }
        // A hyphen or a dot at the end could belong to the sentence.
        if text.ends_with(|c: char| c.is_ascii_alphanumeric() || c == '=') {
            return text;
        }
    }
}

#[test]
fn each_format_is_found_in_each_context() {
    let redactor = Redactor::new();
    let mut random = Random(7);
    let (mut count, mut missed) = (0, Vec::new());
    for (rule, parts) in FORMATS {
        for context in CONTEXTS {
            let secret = secret(parts, &mut random);
            let text = context.replace('@', &secret);
            let digits = &runledger::hash_bytes(&secret)[..4];
            let expected = context.replace('@', &format!("[redacted:{rule}:{digits}]"));
            let redacted = redactor.redact(&text);
            if redacted.text != expected || redacted.count != 1 {
                missed.push(format!("{rule}: {text}\n   {}", redacted.text));
            }
            count += 1;
        }
    }
    assert!(count >= 300, "only {count} shapes");
    assert!(missed.is_empty(), "{} of {count}:\n{}", missed.len(), missed.join("\n"));
}

/// Texts written by hand. The secret is between `«` and `»`, which are removed.
const BY_HAND: &[(&str, &str)] = &[
    ("authorization", "Authorization: Bearer «abcDEF123456ghiJKL7890»"),
    ("authorization", "authorization: token «0123456789abcdef0123456789abcdef01234567»"),
    ("authorization", r#"curl -H "Authorization: Basic «dXNlcjpodW50ZXIy»" https://example.com"#),
    ("authorization", r#"{"headers":{"Authorization":"Bearer «mF_9.B5f-4.1JqM»"}}"#),
    ("authorization", r#"{\"Authorization\": \"Bearer «mF_9.B5f-4.1JqM»\"}"#),
    ("authorization", "proxy-authorization: Basic «QWxhZGRpbjpvcGVuIHNlc2FtZQ==»"),
    ("authorization", "sent Basic «QWxhZGRpbjpvcGVuIHNlc2FtZQ==» to the server"),
    ("authorization", "the header was Bearer «4f9Kq2Zx8Lm0Vt7Wc3Rp», and it was refused"),
    ("authorization", "Authorization: Bot «MTk4NjIyNDgzNDcxOTI1MjQ4.Cl2FMQ.ZnCjm1XVW7vRze4b7Cq4se7kKWs»"),
    ("url-password", "postgres://app:«s3cr3t»@db.example.com:5432/prod"),
    ("url-password", "postgresql+psycopg2://app:«p/w#1»@10.0.0.7/prod?sslmode=require"),
    ("url-password", "redis://:«hunter2»@cache:6379/0"),
    ("url-password", "amqp://guest:«guest»@localhost:5672/%2f"),
    ("url-password", "mongodb+srv://root:«pa%40ss»@cluster0.abcde.mongodb.net/test"),
    ("url-password", "fatal: unable to access 'https://bot:«x9-Kd_2»@git.example.com/a/b.git/': 403"),
    ("url-password", r#"{"url":"https:\/\/bot:«x9-Kd_2»@git.example.com\/a"}"#),
    ("url-password", "https://user:«pässwört»@example.com/"),
    ("url-password", "ftp://u:«a:b@c»@host/file"),
    ("password", "password=«Tr0ub4dor#3»"),
    ("password", "DB_PASSWORD='«correct-Horse-7»'"),
    ("password", r#""password": "«Xk9!vQ2z»","#),
    ("password", "mysql --user root --password «S3cure!Pass»"),
    ("password", "PGPASSWORD=«Hq7_zz91» psql -h db"),
    ("password", "Server=db;User Id=sa;Password=«Y0ur_Str0ng»;Encrypt=yes"),
    ("password", "<password>«Kp2$mmQ9»</password>"),
    ("secret", "aws_secret_access_key = «wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY»"),
    ("secret", "AWS_SECRET_ACCESS_KEY=«wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY» make"),
    ("secret", "api_key: «9f86d081884c7d659a2feaa0c55ad015»"),
    ("secret", "API-Key: «Zx3kQ9vLp2Rt7WnB4mYc»"),
    ("secret", "x-api-key=«Zx3kQ9vLp2Rt7WnB4mYc»"),
    ("secret", r#"{"apiKey":"«Zx3kQ9vLp2Rt7WnB4mYc»"}"#),
    ("secret", r#"{\"client_secret\": \"«Zx3kQ9vLp2Rt7WnB4mYc»\"}"#),
    ("secret", "https://api.example.com/v1?access_token=«Zx3kQ9vLp2Rt7WnB4mYc»&page=2"),
    ("secret", "refreshToken => '«Zx3kQ9vLp2Rt7WnB4mYc»'"),
    ("secret", "client := New(\"x\"); client.AuthToken := \"«Zx3kQ9vLp2Rt7WnB4mYc»\""),
    ("secret", "--token «Zx3kQ9vLp2Rt7WnB4mYc» --verbose"),
    ("secret", "HEROKU_API_KEY=«1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed»"),
    ("secret", "_authToken=«Zx3kQ9vLp2Rt7WnB4mYc»"),
    ("secret", "setenv(\"API_TOKEN\", \"«Zx3kQ9vLp2Rt7WnB4mYc»\")"),
    (
        "secret",
        "AccountName=x;AccountKey=«bWFzdGVyS2V5Rm9yVGVzdGluZzEyMzQ1Njc4OTBhYmNkZWZnaGlqa2xtbm9wcXJzdHV2d3h5eg==»;EndpointSuffix=core.windows.net",
    ),
    ("secret", "os.environ['SESSION_SECRET'] = '«Zx3kQ9vLp2Rt7WnB4mYc»'"),
    ("secret", "token_prod=«Zx3kQ9vLp2Rt7WnB4mYc»"),
    ("key", "key=«Zx3kQ9vLp2Rt7WnB4mYcA1»"),
    ("key", "OPENAI_KEY: «Zx3kQ9vLp2Rt7WnB4mYcA1»"),
    ("aws-access-key-id", "aws_access_key_id=«AKIAIOSFODNN7EXAMPLE»"),
    ("github-token", "https://x-access-token:«ghp_16C7e42F292c6912E7710c838347Ae178B4a»@github.com/a/b"),
    ("github-token", "GITHUB_TOKEN=«ghp_16C7e42F292c6912E7710c838347Ae178B4a»"),
    ("github-token", "Authorization: token «ghp_16C7e42F292c6912E7710c838347Ae178B4a»"),
    ("jwt", "Authorization: Bearer «eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9P»"),
    (
        "azure-signature",
        "https://x.blob.core.windows.net/c/f?sv=2022&sig=«Xq9%2Bk3L0vB7nM2pR8tW4yZ6aC1dF5gH%2FjKlMnOpQrS%3D»&se=2026",
    ),
    (
        "private-key",
        "«-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEAvXkz1Q2w3e4r5t6y\nu7i8o9p0\n-----END RSA PRIVATE KEY-----»\nnext",
    ),
    (
        "private-key",
        "«-----BEGIN OPENSSH PRIVATE KEY-----\\nb3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9u\\n-----END OPENSSH PRIVATE KEY-----»\\n",
    ),
    ("private-key", "key: «-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSj»"),
    (
        "private-key",
        "«-----BEGIN PGP PRIVATE KEY BLOCK-----\nVersion: x\n\nlQOYBFx1mJ0BCADHkq0m3v9\n-----END PGP PRIVATE KEY BLOCK-----»",
    ),
    (
        "private-key",
        "«-----BEGIN EC PRIVATE KEY-----\r\nProc-Type: 4,ENCRYPTED\r\nDEK-Info: AES-128-CBC,0F1E\r\n\r\nMHcCAQEEIIr0\r\n-----END EC PRIVATE KEY-----».",
    ),
    ("github-token", "the token is «ghp_16C7e42F2»…"),
    ("anthropic-key", "the key was «sk-ant-api03-Ab3»…"),
];

#[test]
fn secrets_in_their_usual_places_are_found() {
    let mut missed = Vec::new();
    for (rule, text) in BY_HAND {
        let (before, rest) = text.split_once('«').unwrap();
        let (secret, after) = rest.split_once('»').unwrap();
        let text = format!("{before}{secret}{after}");
        let expected = format!("{before}[redacted:{rule}:{}]{after}", &runledger::hash_bytes(secret)[..4]);
        let redacted = Redactor::new().redact(&text);
        if redacted.text != expected {
            missed.push(format!("{rule}: {text}\n   {}", redacted.text));
        }
    }
    assert!(missed.is_empty(), "{} of {}:\n{}", missed.len(), BY_HAND.len(), missed.join("\n"));
}

#[test]
fn equal_secrets_have_equal_markers_and_others_differ() {
    let text = "a ghp_16C7e42F292c6912E7710c838347Ae178B4a b ghp_16C7e42F292c6912E7710c838347Ae178B4a c ghp_26C7e42F292c6912E7710c838347Ae178B4b";
    let redacted = Redactor::new().redact(text);
    let markers: Vec<_> = redacted.text.split_whitespace().filter(|word| word.starts_with('[')).collect();
    assert_eq!(redacted.count, 3);
    assert!(markers[0] == markers[1] && markers[1] != markers[2], "{markers:?}");
}

/// If a name says that its value is a secret, the whole value is redacted.
#[test]
fn the_value_of_a_telling_name_is_redacted_as_a_whole() {
    let redactor = Redactor::new();
    for (name, value, rule) in [
        ("api_key", "Zx3kQ9vLp2Rt7WnB4mYc", "secret"),
        ("apiKey", "9f86d081884c7d659a2feaa0c55ad015", "secret"),
        ("DB_PASSWORD", "Xk9!vQ2z", "password"),
        ("authorization", "Zx3kQ9vLp2Rt7WnB4mYc", ""),
        ("region", "Zx3kQ9vLp2Rt7WnB4mYc", ""),
        ("cache_key", "Zx3kQ9vLp2Rt7WnB4mYc", ""),
        ("input_sha", "9f86d081884c7d659a2feaa0c55ad015", ""),
        ("token", "none", ""),
    ] {
        let redacted = redactor.redact_value(name, value);
        if rule.is_empty() {
            assert_eq!(redacted.text, value, "{name}");
        } else {
            assert_eq!(redacted.text, format!("[redacted:{rule}:{}]", &runledger::hash_bytes(value)[..4]), "{name}");
        }
    }
}

/// The search over JSON must not skip a record that has a secret.
#[test]
fn the_search_over_json_finds_each_secret() {
    let redactor = Redactor::new();
    let mut random = Random(11);
    let by_hand = BY_HAND.iter().map(|(_, text)| text.replace(['«', '»'], ""));
    let generated: Vec<_> = FORMATS
        .iter()
        .flat_map(|(_, parts)| CONTEXTS.iter().map(move |context| (parts, context)))
        .map(|(parts, context)| context.replace('@', &secret(parts, &mut random)))
        .collect();
    for text in by_hand.chain(generated) {
        let json = serde_json::json!({"error_reason": text, "tags": {"a": [1, text]}}).to_string();
        assert!(redactor.may_find(json.as_bytes()), "{json}");
    }
    let ordinary = r#"{"execution_id":"0193","skill_name":"publish","tokens_used":12,"tokens_input":null,"run":{"session_id":"s"},"error_reason":"cannot open https://example.com/a: timeout"}"#;
    assert!(!redactor.may_find(ordinary.as_bytes()));
}
